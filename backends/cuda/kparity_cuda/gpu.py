"""With a GPU: modules, memory and launches through CuPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kparity import DeviceInfo, Unavailable
from kparity_cuda import cubin
from kparity_cuda.kernel import C_TYPES, VECTOR, Grid
from kparity_cuda.scatter import Scatter


def absence() -> str | None:
    """Why there is no GPU to use, or None where there is one."""
    try:
        from cupy.cuda import runtime
    except ImportError as error:
        return f"CuPy cannot be imported: {error}"
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        return f"CUDA: {error}"
    return None if count else "CUDA finds no device"


def follow_the_cache_folder() -> None:
    """CuPy 14 remembers the folder of compiled kernels from its import, which may have been another process's."""
    from cupy.cuda import compiler

    if hasattr(compiler, "_set_kernel_cache_backend"):
        compiler._set_kernel_cache_backend(compiler._DiskKernelCacheBackend())


class Words:
    """A device array of a dtype that CuPy does not have: its bytes, with the true shape and dtype beside them.

    Of a view with strides, the buffer is a view too, of integers as wide as the elements.
    """

    def __init__(self, buffer: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.buffer = buffer
        self.shape = shape
        self.dtype = dtype
        self.size = int(np.prod(shape, dtype=np.int64))
        self.ndim = len(shape)

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one element to the next along each axis."""
        if self.buffer.shape == self.shape and self.buffer.itemsize == self.dtype.itemsize:
            return tuple(self.buffer.strides)
        return tuple(math.prod(self.shape[axis + 1 :]) * self.dtype.itemsize for axis in range(self.ndim))


class Gpu:
    """One NVIDIA GPU."""

    def __init__(self, index: int) -> None:
        import cupy

        runtime = cupy.cuda.runtime
        count = runtime.getDeviceCount()
        if not 0 <= index < count:
            raise Unavailable(f"there is no CUDA device {index}", f"devices 0 to {count - 1} exist")
        follow_the_cache_folder()
        self._cupy = cupy
        self._device = cupy.cuda.Device(index)
        self._device.use()
        properties = runtime.getDeviceProperties(index)
        self._arch = f"sm_{properties['major']}{properties['minor']}"
        self.multiprocessors = int(properties["multiProcessorCount"])
        self._native: dict[np.dtype[Any], bool] = {}
        self._scatter = Scatter.loaded()
        self.info = DeviceInfo(
            backend="cuda",
            name=properties["name"].decode(),
            kind="gpu",
            index=index,
            uuid=_uuid(properties.get("uuid", b"")),
            dtypes=tuple(C_TYPES),
            versions={
                "cupy": cupy.__version__,
                "nvrtc": ".".join(map(str, cubin.nvrtc().getVersion())),
                "cuda runtime": _version(runtime.runtimeGetVersion()),
                "cuda driver": _version(runtime.driverGetVersion()),
            },
        )

    def put(self, array: np.ndarray) -> Any:
        """A copy on the device; `Words` where CuPy lacks the dtype."""
        if self._has(array.dtype):
            return self._cupy.array(array)
        return Words(self._cupy.array(array.reshape(-1).view(np.uint8)), array.shape, array.dtype)

    def get(self, array: Any) -> np.ndarray:
        """A copy on the host."""
        if isinstance(array, Words):
            words: np.ndarray = self._cupy.asnumpy(array.buffer)
            return words.view(array.dtype).reshape(array.shape)
        if type(array) is self._cupy.ndarray:  # a subclass could answer with other values each time
            host: np.ndarray = self._cupy.asnumpy(array, order="C")
            return host
        raise TypeError(f"{type(array).__name__} is not a device array of the cuda backend")

    def alter(self, array: Any, positions: np.ndarray, values: np.ndarray) -> Any:
        """Overwrite elements in place, through an integer view."""
        carrier = f"uint{8 * values.dtype.itemsize}"
        bits = _buffer(array).reshape(-1).view(carrier)
        places, changed = self._cupy.asarray(positions), self._cupy.asarray(values.view(carrier))
        if self._scatter is None:
            bits[places] = changed
        else:
            self._scatter(bits, places, changed)
        return array

    def duplicate(self, array: Any) -> Any:
        """A contiguous copy on the device."""
        if isinstance(array, Words):
            return Words(array.buffer.copy(), array.shape, array.dtype)
        if type(array) is not self._cupy.ndarray:
            raise TypeError(f"{type(array).__name__} is not a device array of the cuda backend")
        return array.copy(order="C")

    def refill(self, array: Any, source: Any, offset: int) -> Any:
        """Overwrite all elements in place."""
        target, nbytes = _buffer(array).data, array.size * array.dtype.itemsize
        target.copy_from_device_async(_buffer(source).data + offset * array.dtype.itemsize, nbytes)
        return array

    def strided(self, memory: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Any:
        """CuPy's own view."""
        buffer = _buffer(memory).view(f"uint{8 * memory.dtype.itemsize}") if isinstance(memory, Words) else memory
        distances = [stride * buffer.itemsize for stride in strides]
        view = self._cupy.lib.stride_tricks.as_strided(buffer[offset:], shape, distances)
        return Words(view, shape, memory.dtype) if isinstance(memory, Words) else view

    def contiguous(self, array: Any) -> Any:
        """Itself where it is contiguous and aligned to 16 bytes, else a copy."""
        buffer = _buffer(array)
        if buffer.flags.c_contiguous and buffer.data.ptr % VECTOR == 0:
            return array
        copy = buffer.copy(order="C")
        return Words(copy, array.shape, array.dtype) if isinstance(array, Words) else copy

    def storage(self, array: Any) -> tuple[int, int]:
        """The bytes between the first and the last element."""
        buffer = _buffer(array)
        if type(buffer) is not self._cupy.ndarray:
            raise TypeError(f"{type(array).__name__} is not a device array of the cuda backend")
        low, high = self._cupy.byte_bounds(buffer)
        return int(low), int(high - low) if buffer.size else 0

    def poison(self, sizes: Sequence[int]) -> bool:
        """Fill and free a few blocks of each size of CuPy's pool."""
        for size in sizes:
            blocks = [self._cupy.empty(max(size, 1), self._cupy.uint8) for _ in range(3)]
            for block in blocks:
                block.data.memset_async(0xFF, block.nbytes)
            del blocks
        return True

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """Memory as it comes from CuPy's pool."""
        if self._has(dtype):
            return self._cupy.empty(shape, dtype)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        return Words(self._cupy.empty(size, np.uint8), shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """The same, cleared on CuPy's current stream."""
        result = self.empty(shape, dtype)
        _buffer(result).data.memset_async(0, _buffer(result).nbytes)
        return result

    def copy(self, target: Any, source: Any) -> None:
        """Copy bytes on CuPy's current stream."""
        _buffer(target).data.copy_from_device_async(_buffer(source).data, _buffer(source).nbytes)

    def prepare(self, unit: str, filename: str, name: str) -> Callable[..., None]:
        """Compile and load one kernel; the result takes grid, block, arguments and shared bytes."""
        compiled = cubin.compile_cubin(unit, name_expressions=[name], arch=self._arch, filename=filename)
        module = self._cupy.cuda.function.Module()
        module.load(compiled.image)
        function = module.get_function(compiled.names[name])
        allowed = STATIC_LIMIT

        def launch(grid: Grid, block: Grid, args: Sequence[Any], shared: int) -> None:
            nonlocal allowed
            if shared > allowed:
                self._cupy.cuda.driver.funcSetAttribute(function.ptr, MAX_DYNAMIC_SHARED, shared)
                allowed = shared
            function(grid, block, tuple(map(_argument, args)), shared)

        return launch

    def wait(self) -> None:
        """Synchronise the device; raises what went wrong on it."""
        self._device.synchronize()

    def _has(self, dtype: np.dtype[Any]) -> bool:
        """Whether CuPy carries arrays of `dtype` to the device and back unchanged; NumPy's own formats it does."""
        if dtype.isbuiltin == 1:
            return True
        if dtype not in self._native:
            sample = np.ones(3, dtype)
            try:
                back = self._cupy.asnumpy(self._cupy.array(sample))
                self._native[dtype] = back.dtype == dtype and back.tobytes() == sample.tobytes()
            except (TypeError, ValueError):
                self._native[dtype] = False
        return self._native[dtype]


STATIC_LIMIT = 48 * 1024
"""Bytes of dynamic shared memory that a kernel may use without asking for more."""
MAX_DYNAMIC_SHARED = 8
"""CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES."""


def _buffer(array: Any) -> Any:
    return array.buffer if isinstance(array, Words) else array


def _argument(value: Any) -> Any:
    if isinstance(value, (bool, int, np.integer)):
        return np.int64(value)
    if isinstance(value, (float, np.floating)):
        return np.float32(value)
    return _buffer(value)


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _uuid(raw: Any) -> str:
    text = bytes(raw).hex()
    return f"GPU-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}" if len(text) == 32 else ""
