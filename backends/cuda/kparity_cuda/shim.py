"""Without a GPU: the same `.cu` sources, compiled by a C++ compiler with the headers in `shim/`, run on the CPU.

The threads of a block are fibers that switch at barriers and warp operations; blocks run one after another. Programs
give the same results as on a GPU as far as their results do not depend on races or on the rounding of CUDA's
mathematical functions.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kparity import DeviceInfo, Unavailable, Unsupported, UsageError
from kparity_cuda import cubin
from kparity_cuda.compilation import INCLUDE, SHIM, CompileError, cache_folder, contents, digest
from kparity_cuda.kernel import C_TYPES, VECTOR

FLAGS = (
    "-std=c++17",
    "-O2",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-strict-aliasing",
    "-w",
)
ALIGNMENT = 256
"""Bytes; what cudaMalloc promises."""
SHARED_LIMIT = 232_448
"""Bytes of dynamic shared memory that a block of an H100 may have; `shared_bytes` in `kparity_shim.h`."""

_EXTERN_SHARED = re.compile(
    r"extern\s+__shared__\s+(?:__align__\s*\([^)]*\)\s*|alignas\s*\([^)]*\)\s*)?([\w:\s]+?)\s+(\w+)\s*\[\s*\]\s*;"
)
_MISSING_HEADER = re.compile(r"fatal error: (\S+): No such file")
_UNSUPPORTED = re.compile(r"kparity-unsupported: ([^\"\n]+?)\"?$", re.MULTILINE)
_SHARED = (("kparity_shim.h", "c++-header", "kparity_shim.h.gch"), ("runtime.cpp", "c++", "runtime.o"))
_lock = threading.Lock()  # a compiled kernel keeps its threads in static memory


class Shim:
    """The CPU as a device for CUDA C++."""

    multiprocessors = 4

    def __init__(self, index: int, absence: str) -> None:
        if index != 0:
            raise Unavailable(f"there is no GPU ({absence}), and the CPU shim has device 0 only", "open device 0")
        self._compiler = Compiler()
        notes = [f"no GPU ({absence}): kernels run on the CPU, compiled by {self._compiler.version}"]
        versions = {"compiler": self._compiler.version}
        self._has_nvrtc = True
        try:
            versions["nvrtc"] = ".".join(map(str, cubin.nvrtc().getVersion()))
            notes.append("cubin check on: every kernel must also compile for sm_90 with NVRTC")
        except ImportError as error:
            self._has_nvrtc = False
            notes.append(f"cubin check off: {error}")
        self.info = DeviceInfo(
            backend="cuda",
            name="CPU shim (g++)",
            kind="interpreter",
            dtypes=tuple(C_TYPES),
            versions=versions,
            capabilities=("poisoned allocation",),
            notes=tuple(notes),
        )

    def put(self, array: np.ndarray) -> np.ndarray:
        """A copy, aligned as device memory is."""
        result = _allocate(array.shape, array.dtype)
        result[...] = array
        return result

    def get(self, array: Any) -> np.ndarray:
        """A copy."""
        if type(array) is not np.ndarray:  # a subclass could answer with other values each time
            raise TypeError(f"{type(array).__name__} is not a device array of the CPU shim")
        return array.copy()

    def alter(self, array: np.ndarray, positions: np.ndarray, values: np.ndarray) -> np.ndarray:
        """In place."""
        array.reshape(-1)[positions] = values
        return array

    def duplicate(self, array: Any) -> np.ndarray:
        """A copy, aligned."""
        return self.put(self.get(array))

    def refill(self, array: np.ndarray, source: np.ndarray, offset: int) -> np.ndarray:
        """Overwrite all elements in place."""
        array.reshape(-1)[:] = source[offset : offset + array.size]
        return array

    def strided(self, memory: np.ndarray, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> np.ndarray:
        """NumPy's own view."""
        distances = [stride * memory.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(memory[offset:], shape, distances)

    def contiguous(self, array: np.ndarray) -> np.ndarray:
        """Itself where it is contiguous and aligned to 16 bytes, else an aligned copy."""
        return array if array.flags.c_contiguous and array.ctypes.data % VECTOR == 0 else self.put(array)

    def storage(self, array: Any) -> tuple[int, int]:
        """The bytes between the first and the last element."""
        if type(array) is not np.ndarray:
            raise TypeError(f"{type(array).__name__} is not a device array of the CPU shim")
        low, high = np.lib.array_utils.byte_bounds(array)
        return low, high - low if array.size else 0

    def poison(self, sizes: Sequence[int]) -> bool:
        """Every output begins as 0xFF here."""
        return True

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Memory full of NaN (or large integers), so that what a kernel leaves out shows."""
        result = _allocate(shape, dtype)
        result.reshape(-1).view(np.uint8).fill(0xFF)
        return result

    def zeros(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Memory of which every bit is zero."""
        result = _allocate(shape, dtype)
        result.reshape(-1).view(np.uint8).fill(0)
        return result

    def copy(self, target: np.ndarray, source: np.ndarray) -> None:
        """Copy elements."""
        target.reshape(-1)[:] = source.reshape(-1)

    def prepare(self, unit: str, filename: str, name: str) -> Callable[..., None]:
        """Compile one kernel; the result takes grid, block, arguments and shared bytes."""
        if self._has_nvrtc:
            cubin.compile_cubin(unit, name_expressions=[name], filename=filename)
        library = ctypes.CDLL(str(self._compiler.library(unit, filename, name)))
        library.kparity_launch.restype = library.kparity_parameters.restype = ctypes.c_char_p
        return functools.partial(_launch, library, name, library.kparity_parameters().decode())

    def wait(self) -> None:
        """Nothing to wait for."""


class Compiler:
    """The C++ compiler of this machine, and its products in the user's cache.

    Raises:
        Unavailable: there is none.
    """

    def __init__(self) -> None:
        names = (os.environ.get("CXX", ""), "g++", "c++", "clang++")
        path = next((found for name in names if name and (found := shutil.which(name))), None)
        if path is None:
            raise Unavailable(
                "no GPU, and no C++ compiler for the CPU shim",
                "run on a machine with an NVIDIA GPU, or install g++ (or set CXX)",
            )
        self._path = path
        self.version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout.partition("\n")[0]
        headers = contents([*SHIM.iterdir(), *INCLUDE.iterdir()])
        self._key = digest(path, self.version, headers, *FLAGS)
        self._folder = cache_folder("cuda-shim") / self._key

    def library(self, unit: str, filename: str, name: str) -> Path:
        """The shared library that runs kernel `name` of the translation unit.

        Raises:
            Unsupported: the source uses what the shim lacks.
            CompileError: the compiler's first error.
        """
        text = _EXTERN_SHARED.sub(r"\1* const \2 = reinterpret_cast<\1*>(kparity_shim::shared);", unit)
        text = f'#include "kparity_shim.h"\n{text}\n#define KPARITY_KERNEL {name}\n#include "launch.h"\n'
        target = self._folder / f"{digest(text)}.so"
        if not target.exists():
            self._precompile()
            runtime = str(self._folder / "runtime.o")
            self._run(text, filename, target, "-shared", runtime, "-x", "c++", "-")
        return target

    def _precompile(self) -> None:
        """Compile what all kernels share: the header and the runtime."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, language, product in _SHARED:
            if not (self._folder / product).exists():
                self._run("", name, self._folder / product, "-c", "-x", language, str(SHIM / name))

    def _run(self, text: str, filename: str, target: Path, *options: str) -> None:
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".")
        os.close(handle)
        folders = (f"-I{SHIM}", f"-I{INCLUDE}")
        command = [self._path, *FLAGS, f"-I{self._folder}", *folders, "-o", temporary, *options]
        done = subprocess.run(command, input=text, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        if done.returncode == 0:
            os.replace(temporary, target)
            return
        Path(temporary).unlink(missing_ok=True)
        if match := _UNSUPPORTED.search(done.stderr):
            raise Unsupported(f"uses {match[1]}, which the CPU shim cannot execute: run it on a GPU")
        if match := _MISSING_HEADER.search(done.stderr):
            raise Unsupported(f"includes {match[1]}, which the CPU shim does not have: run it on a GPU")
        raise CompileError(Path(self._path).name, filename, done.stderr)


def _allocate(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def _launch(
    library: ctypes.CDLL,
    name: str,
    parameters: str,
    grid: tuple[int, int, int],
    block: tuple[int, int, int],
    args: Sequence[Any],
    shared: int,
) -> None:
    _check_extents(name, grid, block, shared)
    if len(args) != len(parameters):
        raise UsageError(f"kernel {name} takes {len(parameters)} arguments; the launch passes {len(args)}")
    values = [_value(name, at, letter, arg) for at, (letter, arg) in enumerate(zip(parameters, args, strict=True))]
    pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
    with _lock:
        failure = library.kparity_launch((ctypes.c_uint * 6)(*grid, *block), pointers)
        if failure:
            where = list((ctypes.c_uint * 6).in_dll(library, "kparity_where"))
            raise RuntimeError(f"kernel {name}, block {where[:3]}, thread {where[3:]}: {failure.decode()}")


def _check_extents(name: str, grid: tuple[int, int, int], block: tuple[int, int, int], shared: int) -> None:
    limits = zip(("grid.x", "grid.y", "grid.z"), grid, (2**31 - 1, 65535, 65535), strict=True)
    wrong = [f"{axis} = {value}" for axis, value, limit in limits if not 1 <= value <= limit]
    threads = block[0] * block[1] * block[2]
    if not 1 <= threads <= 1024 or block[2] > 64:
        wrong.append(f"block = {block}")
    if shared > SHARED_LIMIT:
        wrong.append(f"shared = {shared} bytes")
    if wrong:
        raise UsageError(f"kernel {name} cannot be launched with {', '.join(wrong)}: out of the range of a GPU")


def _value(name: str, at: int, letter: str, arg: Any) -> Any:
    if letter == "p" and isinstance(arg, np.ndarray):
        return ctypes.c_void_p(arg.ctypes.data)
    if letter == "i" and isinstance(arg, (bool, int, np.integer)):
        return ctypes.c_longlong(int(arg))
    if letter == "f" and isinstance(arg, (float, np.floating)):
        return ctypes.c_float(float(arg))
    wanted = {"p": "an array", "i": "an integer", "f": "a float"}.get(letter, "a type that no launch can pass")
    raise UsageError(f"kernel {name}, parameter {at + 1} is {wanted}; the launch passes {type(arg).__name__}")
