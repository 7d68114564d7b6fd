"""Gaussian error linear unit, exact or by tanh.

Traffic: each element read once and written once, 2 * n * sizeof(T) bytes. The exact form costs some 25 operations an
element, a polynomial and two on the special function units, where erfc would cost 40 and be the limit in 16-bit
formats. Each thread moves two vectors of 16 bytes, loaded before the first is used,
which keeps enough bytes in flight; the tail of n goes element by element.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import BLOCK, ceil_div

VECTORS = 2


@cuda_kernel("gelu.cu")
def gelu(launch: Launcher, x: Any, y: Any, approximate: str = "none") -> None:
    """GELU of `x`; `approximate` is `"none"` or `"tanh"`."""
    vector = 16 // x.dtype.itemsize
    form = "Tanh" if approximate == "tanh" else "Exact"
    grid = ceil_div(x.size, BLOCK * VECTORS * vector)
    launch(f"gelu_map<T, {vector}, {VECTORS}, {form}>", (grid,), (BLOCK,), (x, y, x.size))
