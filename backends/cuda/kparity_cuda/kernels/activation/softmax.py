"""Softmax over the last axis.

Traffic: each element read once and written once, 2 * rows * cols * sizeof(T) bytes; some 5 operations an element, an
exponential among them, so an H100 waits for memory. A group of threads therefore keeps its row in registers: the
maximum, the sum and the result come from one read. Groups grow with the row, from 8 lanes of a warp (no shared
memory, no barrier) to 1024 threads; rows beyond 32,768 elements are read twice, the first time with a running
maximum.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import in_registers


@cuda_kernel("softmax.cu")
def softmax(launch: Launcher, x: Any, y: Any) -> None:
    """Softmax of the rows of `x`."""
    g = in_registers(x)
    rest = f"{g.values}, {g.group}" if g.values else f"{g.group}"
    kernel = "softmax_rows" if g.values else "softmax_long"
    launch(f"{kernel}<T, {g.vector}, {rest}>", g.grid, g.block, (x, y, *x.shape))
