"""Cumulative sum along the last axis.

Traffic: each element read once and written once, 2 * rows * cols * sizeof(T) bytes. A group of threads takes a tile
of its row into registers (up to 8,192 elements, with all loads in flight together), so the work is one pass. The sums
then go up three levels: within a vector of 16 bytes, across the lanes of a warp by shuffles, and across warps through
a few words of shared memory; three barriers a tile, since the totals of all vectors of a thread are exchanged at
once. Longer rows carry the last sum from tile to tile.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import BLOCK, ceil_div, vector


@cuda_kernel("cumsum.cu")
def cumsum(launch: Launcher, x: Any, y: Any) -> None:
    """y[r, c] = sum_{k <= c} x[r, k]."""
    rows, cols = x.shape
    group, values = (8, 8) if cols <= 64 else (BLOCK, 8) if cols <= 2048 else (BLOCK, 32)
    together = BLOCK // group
    name = f"cumsum_rows<T, {vector(x.dtype.itemsize, cols)}, {values}, {group}>"
    launch(name, (ceil_div(rows, together),), (group, together), (x, y, rows, cols))
