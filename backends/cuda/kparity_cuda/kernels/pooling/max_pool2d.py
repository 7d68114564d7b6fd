"""Two-dimensional max pooling with indices.

Traffic: the input read once, values and 4-byte indices written once. With 16-bit elements instructions are as scarce
as bytes: for the usual windows, compiled in, one thread computes four outputs one below the other, which share rows,
and looks at each row of a window once; all its loads are in flight together. Windows of threads side by side overlap
too, and the L1 cache serves that. Other windows loop, one output a thread. Positions are 32-bit where the arrays allow
it, since a 64-bit division costs more than the window.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import BLOCK, ceil_div, index_type

LINES = 4
COMPILED = ((2, 2), (3, 2))
"""(kernel, stride)"""


@cuda_kernel("max_pool2d.cu")
def max_pool2d(
    launch: Launcher, x: Any, y: Any, indices: Any, kernel: int = 2, stride: int = 2, padding: int = 0
) -> None:
    """Largest value of each window, and its place within the plane."""
    index = index_type(x, y)
    shape = (*x.shape[2:], *y.shape[2:])
    if (kernel, stride) in COMPILED:
        threads = y.shape[0] * y.shape[1] * ceil_div(y.shape[2], LINES) * y.shape[3]
        name = f"max_pool2d_lines<T, {index}, {kernel}, {stride}, {LINES}>"
        launch(name, (ceil_div(threads, BLOCK),), (BLOCK,), (x, y, indices, threads, *shape, padding))
    else:
        args = (x, y, indices, y.size, *shape, kernel, stride, padding)
        launch(f"max_pool2d_windows<T, {index}>", (ceil_div(y.size, BLOCK),), (BLOCK,), args)
