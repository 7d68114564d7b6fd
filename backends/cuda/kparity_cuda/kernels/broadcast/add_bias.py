"""Row vector added to every row of a matrix.

Traffic: 2 * rows * cols * sizeof(T) bytes, one addition an element: memory only. A thread owns one vector of 16 bytes
of columns and walks down four rows with it: the bias is read once for the four, and their four loads are in flight
together. Inputs with strides, or off 16 bytes, are copied first: that costs as much traffic once more.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import ceil_div, tile, vector

ROWS = 4


@cuda_kernel("add_bias.cu")
def add_bias(launch: Launcher, x: Any, bias: Any, y: Any) -> None:
    """y[r, c] = x[r, c] + bias[c]."""
    x, bias = launch.contiguous(x), launch.contiguous(bias)
    rows, cols = x.shape
    n = vector(x.dtype.itemsize, cols)
    block = tile(cols // n)
    grid = (ceil_div(rows, block[1] * ROWS), ceil_div(cols // n, block[0]))
    launch(f"add_bias_tile<T, {n}, {ROWS}>", grid, block, (x, bias, y, rows, cols))
