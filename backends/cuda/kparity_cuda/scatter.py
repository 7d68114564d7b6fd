"""Overwriting single elements on the GPU with a kernel that is compiled once, before workers are forked.

CuPy compiles one of its own in every process whose cache is empty, as a candidate's is.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any, Self

import numpy as np

from kparity_cuda import cubin

_ARCHITECTURES = ("compute_75", "compute_52")
"""The oldest that NVRTC 13 and that its predecessors know: the driver translates for newer ones."""
_THREADS = 256
_SOURCE = """
#define SCATTER(BYTES, WORD) \\
    extern "C" __global__ void kparity_scatter_##BYTES( \\
        WORD* target, const long long* places, const WORD* values, long long count) { \\
        long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; \\
        if (i < count) target[places[i]] = values[i]; \\
    }
SCATTER(1, unsigned char)
SCATTER(2, unsigned short)
SCATTER(4, unsigned int)
SCATTER(8, unsigned long long)
"""


@functools.cache
def image() -> bytes:
    """PTX of the kernels, for elements of one, two, four and eight bytes.

    Raises:
        ImportError: NVRTC cannot be loaded.
        Exception: it does not compile them; what it raised last.
    """
    nvrtc = cubin.nvrtc()
    refused: Exception | None = None
    for architecture in _ARCHITECTURES:
        program = nvrtc.createProgram(_SOURCE, "scatter.cu", (), ())
        try:
            nvrtc.compileProgram(program, (f"--gpu-architecture={architecture}",))
            return bytes(nvrtc.getPTX(program))
        except Exception as error:
            refused = error
        finally:
            nvrtc.destroyProgram(program)
    assert refused is not None
    raise refused


def prepare() -> None:
    """Compile them now, where that can be done."""
    with contextlib.suppress(Exception):
        image()


class Scatter:
    """The kernels, loaded on CuPy's current device."""

    def __init__(self) -> None:
        import cupy

        module = cupy.cuda.function.Module()
        module.load(image())
        self._kernels = {size: module.get_function(f"kparity_scatter_{size}") for size in (1, 2, 4, 8)}

    @classmethod
    def loaded(cls) -> Self | None:
        """The kernels; None where NVRTC or the driver refuses them."""
        try:
            return cls()
        except Exception:
            return None

    def __call__(self, target: Any, places: Any, values: Any) -> None:
        """Write `values` to flat `places` of `target`, on CuPy's current stream.

        Args:
            target: contiguous integers, as wide as those of `values`.
            places: int64, none twice.
        """
        grid = -(-values.size // _THREADS)
        if grid:
            self._kernels[values.itemsize]((grid,), (_THREADS,), (target, places, values, np.int64(values.size)))
