"""Two-dimensional max pooling with indices.

Traffic: the input read once, values and 4-byte indices written once. One thread computes one output; the windows of
neighbouring threads overlap, and the L1 cache serves the overlap, so memory sees each input once. The usual window
sizes 2 and 3 are compiled in, which unrolls the window and keeps its loads in flight together; others loop. Positions
are 32-bit where the arrays allow it, since a 64-bit division costs more than the window.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import BLOCK, ceil_div, index_type


@cuda_kernel("max_pool2d.cu")
def max_pool2d(
    launch: Launcher, x: Any, y: Any, indices: Any, kernel: int = 2, stride: int = 2, padding: int = 0
) -> None:
    """Largest value of each window, and its place within the plane."""
    compiled = kernel if kernel in (2, 3) else 0
    name = f"max_pool2d_windows<T, {index_type(x, y)}, {compiled}>"
    args = (x, y, indices, y.size, *x.shape[2:], *y.shape[2:], kernel, stride, padding)
    launch(name, (ceil_div(y.size, BLOCK),), (BLOCK,), args)
