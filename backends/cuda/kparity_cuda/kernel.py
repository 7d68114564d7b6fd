"""The convention of a CUDA C++ kernel: device code in a `.cu` file, a Python host function that launches it.

The host function takes a launcher, the inputs, the outputs (already allocated from the case's declaration) and the
attributes as keywords, and returns nothing. It sees nothing of an array but `shape`, `dtype`, `size` and `ndim`, and of
an input `strides`, in bytes as NumPy has them. A kernel that takes its inputs contiguous calls `launch.contiguous` for
those that the task allows to be strided.

In the device code

* `kparity.cuh` is already included: conversions, vectors, reductions (see `include/kparity.cuh`),
* each dtype variable of the case is a type: `using T = float;` (or `__half`, `__nv_bfloat16`, ...),
* scalar parameters are `long long` (Python `int`) or `float` (Python `float`), arrays are pointers,
* dynamic shared memory is declared by `KPARITY_SHARED(type, name);`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kparity import Case, UsageError, dtypes

Host = Callable[..., None]
Grid = Sequence[int]

VECTOR = 16
"""Bytes of the widest access; arrays that begin on a multiple can be read with it."""

C_TYPES: Mapping[str, str] = {
    "float64": "double",
    "float32": "float",
    "float16": "__half",
    "bfloat16": "__nv_bfloat16",
    "int64": "long long",
    "int32": "int",
    "int16": "short",
    "int8": "signed char",
    "uint64": "unsigned long long",
    "uint32": "unsigned int",
    "uint16": "unsigned short",
    "uint8": "unsigned char",
    "bool": "bool",
}
"""C++ types by dtype name."""


class Launcher(ABC):
    """What a host function launches kernels with; bound to one source and one choice of dtypes.

    Attributes:
        case: the case at hand.
        multiprocessors: how many streaming multiprocessors the device has, for grids that fill it once.
    """

    case: Case
    multiprocessors: int

    @abstractmethod
    def __call__(self, name: str, grid: Grid, block: Grid, args: Sequence[Any], shared: int = 0) -> None:
        """Launch the kernel `name` (`"k"` or a template instantiation, `"k<T, 4>"`).

        Args:
            grid, block: one to three extents each.
            args: arrays, integers (passed as `long long`) and floats (passed as `float`), in the kernel's order.
            shared: bytes of dynamic shared memory.
        """

    @abstractmethod
    def empty(self, shape: Sequence[int], dtype: str) -> Any:
        """Scratch of the given shape and dtype name, not initialised."""

    @abstractmethod
    def zeros(self, shape: Sequence[int], dtype: str) -> Any:
        """Scratch of the given shape and dtype name, all bits zero."""

    @abstractmethod
    def contiguous(self, array: Any) -> Any:
        """The array itself where it is C-contiguous and begins on 16 bytes, else a copy that is and does."""

    @abstractmethod
    def copy(self, target: Any, source: Any) -> None:
        """Copy the bytes of `source` to `target`; both have the same size and dtype."""


@dataclass(frozen=True)
class CudaKernel:
    """Device code and the host function that launches it. Made by `cuda_kernel` or by `CudaBackend.load`.

    Attributes:
        source: the text of the device code.
        filename: what compilers call it in messages.
        host: the host function.
    """

    source: str
    filename: str
    host: Host

    def __call__(self, launch: Launcher, *arrays: Any, **attributes: Any) -> None:
        """Run the host function with a launcher of the caller's."""
        self.host(launch, *arrays, **attributes)

    def translation_unit(self, variables: Mapping[str, str]) -> str:
        """The text to compile: the source behind the common header and the dtype variables, line numbers kept."""
        unknown = [name for name in variables.values() if name not in C_TYPES]
        if unknown:
            raise UsageError(f"CUDA C++ kernels have no type for {unknown[0]}; they have {', '.join(C_TYPES)}")
        aliases = "".join(f"using {variable} = {C_TYPES[name]};\n" for variable, name in variables.items())
        return f'#include "kparity.cuh"\n{aliases}#line 1 "{self.filename}"\n{self.source}\n'


def cuda_kernel(path: str | None = None, *, source: str | None = None) -> Callable[[Host], CudaKernel]:
    """Bind device code to the decorated host function.

    Args:
        path: of the `.cu` file, relative to the module of the host function.
        source: the device code itself, instead of a path.

    Raises:
        UsageError: both or neither of `path` and `source`, or there is no such file.
    """
    if (path is None) == (source is None):
        raise UsageError("cuda_kernel takes either the path of a .cu file or source='...'")

    def decorate(host: Host) -> CudaKernel:
        if path is None:
            return CudaKernel(source or "", "kernel.cu", host)
        file = Path(host.__globals__.get("__file__", "")).parent / path
        try:
            return CudaKernel(file.read_text(encoding="utf-8"), file.name, host)
        except OSError as error:
            raise UsageError(f"cuda_kernel({path!r}): cannot read {file}: {error.strerror}") from error

    return decorate


@dataclass(frozen=True)
class Shaped:
    """The part of an array that a host function may look at, without memory behind it."""

    shape: tuple[int, ...]
    dtype: Any

    @property
    def size(self) -> int:
        """Number of elements."""
        result = 1
        for extent in self.shape:
            result *= extent
        return result

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)


class Rehearsal(Launcher):
    """Runs a host function for the names of the kernels that it launches: they compile before the first call."""

    def __init__(self, prepare: Callable[[str], object], case: Case, multiprocessors: int) -> None:
        self.case = case
        self.multiprocessors = multiprocessors
        self._prepare = prepare

    def __call__(self, name: str, grid: Grid, block: Grid, args: Sequence[Any], shared: int = 0) -> None:
        self._prepare(name)

    def empty(self, shape: Sequence[int], dtype: str) -> Any:
        return Shaped(tuple(shape), dtypes.dtype(dtype))

    zeros = empty

    def contiguous(self, array: Any) -> Any:
        return array

    def copy(self, target: Any, source: Any) -> None:
        return None
