"""The gradients of root-mean-square normalisation.

Traffic: x and dy read once, dx written once, 3 * rows * cols * sizeof(T) bytes; the weight stays in the L2 cache.
Eleven operations an element: memory only. dx is a sum along each row, dweight one across all of them, and both come
from one read: as many blocks as the GPU holds at a time walk over the rows, each group of threads with its row of x and
dy in registers, and with its own sum of dweight for the columns that it holds. These sums go to scratch, and a second,
small kernel adds them up. No atomics: the order of the additions is fixed, so that every run gives the same bits.

Rows beyond 8,192 elements do not leave registers for the sums. They are read twice, and the sums grow in scratch, where
each thread reads and writes its own columns.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import ceil_div, in_registers, vector

LONG = 1024
"""Threads for each row that does not fit into registers."""

TOGETHER = 32
"""Columns that a block adds up at the end, and threads for each of them."""


@cuda_kernel("rms_norm_backward.cu")
def rms_norm_backward(launch: Launcher, x: Any, weight: Any, dy: Any, dx: Any, dweight: Any, eps: float = 1e-6) -> None:
    """dx for each row and dweight over all of them."""
    rows, cols = x.shape
    g = in_registers(x, arrays=4)
    if g.values:
        name = f"rms_norm_backward_rows<T, {g.vector}, {g.values}, {g.group}>"
        blocks, block = min(g.grid[0], 2 * launch.multiprocessors), g.block
        partial = launch.empty((blocks * block[1], cols), "float32")
    else:
        name = f"rms_norm_backward_long<T, {vector(x.dtype.itemsize, cols)}, {LONG}>"
        blocks, block = min(rows, launch.multiprocessors), (LONG, 1)
        partial = launch.zeros((blocks, cols), "float32")
    launch(name, (blocks,), block, (x, weight, dy, dx, partial, rows, cols, eps))
    args = (partial, dweight, partial.shape[0], cols)
    launch(f"add_up<T, {TOGETHER}>", (ceil_div(cols, TOGETHER),), (TOGETHER, TOGETHER), args)
