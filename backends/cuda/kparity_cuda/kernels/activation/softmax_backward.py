"""The gradient of softmax over the last axis.

Traffic: x and dy read once, dx written once, 3 * rows * cols * sizeof(T) bytes; some 9 operations an element, an
exponential among them, so an H100 waits for memory. The forward's output is computed again: reading a saved one would
move as many bytes as reading x. A group of threads keeps its row of x and dy in registers, 16 elements of each a thread
at most, and makes three reductions of one read: maximum, sum, sum of products. Rows beyond 16,384 elements are read
twice, the first time with a running maximum.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import in_registers


@cuda_kernel("softmax_backward.cu")
def softmax_backward(launch: Launcher, x: Any, dy: Any, dx: Any) -> None:
    """y (dy - sum(dy y)) for the rows of `x`, where y = softmax(x)."""
    g = in_registers(x, arrays=2)
    rest = f"{g.values}, {g.group}" if g.values else f"{g.group}"
    kernel = "softmax_backward_rows" if g.values else "softmax_backward_long"
    launch(f"{kernel}<T, {g.vector}, {rest}>", g.grid, g.block, (x, dy, dx, *x.shape))
