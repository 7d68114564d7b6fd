"""What a device for CUDA C++ offers, be it a GPU or the CPU shim, and how kernels are launched on one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from kparity import Case, DeviceInfo, dtypes
from kparity_cuda.kernel import Grid, Launcher

Prepared = Callable[..., None]
"""A compiled kernel; takes grid, block, arguments and shared bytes."""


class Device(Protocol):
    """What the two worlds, `gpu.Gpu` and `shim.Shim`, offer."""

    info: DeviceInfo
    multiprocessors: int

    def put(self, array: np.ndarray) -> Any: ...
    def get(self, array: Any) -> np.ndarray: ...
    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any: ...
    def zeros(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any: ...
    def contiguous(self, array: Any) -> Any: ...
    def copy(self, target: Any, source: Any) -> None: ...
    def prepare(self, unit: str, filename: str, name: str) -> Prepared: ...
    def wait(self) -> None: ...
    def alter(self, array: Any, positions: np.ndarray, values: np.ndarray) -> Any: ...
    def duplicate(self, array: Any) -> Any: ...
    def refill(self, array: Any, source: Any, offset: int) -> Any: ...
    def strided(self, memory: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Any: ...
    def storage(self, array: Any) -> tuple[int, int]: ...
    def poison(self, sizes: Sequence[int]) -> bool: ...


class DeviceLauncher(Launcher):
    """Launches on a device, in the order of the calls; kernels are looked up by name with `prepare`."""

    def __init__(self, device: Device, prepare: Callable[[str], Prepared], case: Case) -> None:
        self.case = case
        self.multiprocessors = device.multiprocessors
        self._device = device
        self._prepare = prepare

    def __call__(self, name: str, grid: Grid, block: Grid, args: Sequence[Any], shared: int = 0) -> None:
        self._prepare(name)(_extents(grid), _extents(block), args, shared)

    def empty(self, shape: Sequence[int], dtype: str) -> Any:
        return self._device.empty(tuple(shape), dtypes.dtype(dtype))

    def zeros(self, shape: Sequence[int], dtype: str) -> Any:
        return self._device.zeros(tuple(shape), dtypes.dtype(dtype))

    def contiguous(self, array: Any) -> Any:
        return self._device.contiguous(array)

    def copy(self, target: Any, source: Any) -> None:
        self._device.copy(target, source)


def _extents(values: Grid) -> tuple[int, int, int]:
    """Grid or block extents, filled up with ones to three."""
    x, y, z = (*(int(value) for value in values), 1, 1)[:3]
    return x, y, z
