"""The CPU as a backend: NumPy arrays are its device arrays."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from kparity import Backend, Case, DeviceInfo, KernelSpec, Probes, Unavailable, cpu_name, dtypes


class CpuRefBackend(Backend):
    """NumPy for references, Numba for kernels. Opens everywhere; Numba is asked for only by the kernels that use it."""

    name: ClassVar[str] = "cpu_ref"
    remedy: ClassVar[str] = "pip install 'kparity[cpu]'"
    realizes_references: ClassVar[bool] = True

    def open(self, index: int = 0) -> DeviceInfo:
        """Report the processor.

        Raises:
            Unavailable: `index` is not 0; all cores together are one device.
        """
        if index != 0:
            raise Unavailable(f"{self.name} has no device {index}", "use device 0; all cores together are one device")
        versions, notes = dict(_versions("numpy", "numba")), [f"{_usable_cores()} of {os.cpu_count()} cores usable"]
        if "numba" not in versions:
            notes.append(f"numba is not installed, references only: {self.remedy}")
        self.info = DeviceInfo(backend=self.name, name=cpu_name(), kind="cpu", versions=versions, notes=tuple(notes))
        return self.info

    def preload(self) -> None:
        """Import scipy and Numba, have Numba set up its compiler, most of a first call; look up what `open` says."""
        import scipy.special  # noqa: F401

        with contextlib.suppress(ImportError):
            import numba

            numba.njit(_nothing)(np.zeros(1))
        _versions("numpy", "numba")
        cpu_name()

    def put(self, array: np.ndarray) -> np.ndarray:
        """A copy."""
        return np.array(array, order="C")

    def get(self, array: Any) -> np.ndarray:
        """A contiguous copy.

        Raises:
            TypeError: not exactly a `numpy.ndarray`; a subclass could answer with other values each time.
        """
        if type(array) is not np.ndarray:
            raise TypeError(f"cpu_ref expected a numpy.ndarray, got {type(array).__module__}.{type(array).__name__}")
        return np.array(array, order="C")

    def alter(self, array: np.ndarray, positions: np.ndarray, values: np.ndarray) -> np.ndarray:
        """In place."""
        array.reshape(-1)[positions] = values
        return array

    def duplicate(self, array: np.ndarray) -> np.ndarray:
        """A contiguous copy."""
        return self.get(array)

    def refill(self, array: np.ndarray, source: np.ndarray, offset: int) -> np.ndarray:
        """In place."""
        array.reshape(-1)[:] = source[offset : offset + array.size]
        return array

    def strided(self, memory: np.ndarray, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> np.ndarray:
        """NumPy's own view."""
        distances = [stride * memory.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(memory[offset:], shape, distances)

    def storage(self, array: np.ndarray) -> tuple[int, int]:
        """The bytes between the first and the last element, both included."""
        if type(array) is not np.ndarray:
            raise TypeError(f"cpu_ref expected a numpy.ndarray, got {type(array).__name__}")
        low, high = np.lib.array_utils.byte_bounds(array)
        return low, high - low if array.size else 0

    def poison(self, sizes: Sequence[int]) -> bool:
        """Fill and free a few blocks of each size."""
        for size in sizes:
            blocks = [np.full(size, 0xFF, np.uint8) for _ in range(3)]
            del blocks
        return True

    def numerics_modes(self) -> dict[str, str]:
        """How NumPy treats floating-point errors, and whether the processor flushes subnormal numbers to zero."""
        half = np.finfo(np.float32).tiny * np.ones(2, np.float32) / np.float32(2)
        modes = {f"np.errstate {name}": value for name, value in np.geterr().items()}
        return {**modes, "subnormal numbers": "kept" if half.all() else "flushed"}

    def probes(self) -> Probes:
        """NumPy's copy and BLAS product."""
        return Probes(np.copy, np.copy, np.matmul, ("float32",))

    def compile(
        self, function: Callable[..., Any] | KernelSpec, arguments: Sequence[np.ndarray], case: Case
    ) -> Callable[..., Any]:
        """Bind the case's attributes; a spec's reference is also wrapped so that it honours the declared dtypes."""
        if isinstance(function, KernelSpec):
            return functools.partial(_run_reference, function, case)
        return functools.partial(function, **case.attributes)


def _run_reference(spec: KernelSpec, case: Case, *arguments: np.ndarray) -> np.ndarray | tuple[np.ndarray, ...]:
    """The reference in float32 (float64 where that is the input), its outputs rounded to the declared dtypes."""
    wide = [_widen(array, info.dtype) for array, info in zip(arguments, case.inputs, strict=True)]
    with np.errstate(all="ignore"):
        result = spec.reference(*wide, **case.attributes)
        values = result if isinstance(result, tuple) else (result,)
        outputs = tuple(
            np.array(value, dtypes.dtype(info.dtype), order="C")
            for value, info in zip(values, case.outputs, strict=True)
        )
    return outputs if isinstance(result, tuple) else outputs[0]


def _nothing(x: np.ndarray) -> float:
    return float(x[0] + x.size)


def _widen(array: np.ndarray, dtype: str) -> np.ndarray:
    if not dtypes.is_float(dtype):
        return array.astype(np.int64, copy=False)
    return array if array.dtype.itemsize >= 4 else array.astype(np.float32)


def _usable_cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@functools.cache
def _versions(*distributions: str) -> Mapping[str, str]:
    """Versions of those that are installed, without importing any; workers find them looked up by their zygote."""
    found = {}
    for distribution in distributions:
        try:
            found[distribution] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
