"""Scatter with addition, where indices repeat.

Traffic: base and updates read once, the result written once. Adding with atomics would first copy base, then read and
write the result again for every update, and would need a float32 copy of the result for 16-bit formats, since sums
are rounded once. So the updates are first strung into a linked list for each row (one 4-byte atomic for each update);
then each row is summed in registers along its list and written once. A row named by very many updates makes a long
chain; the next link is fetched while the current update is added. The order of a list, and so of a sum, differs
between runs.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import BLOCK, ceil_div, tile, vector


@cuda_kernel("scatter_add.cu")
def scatter_add(launch: Launcher, base: Any, indices: Any, updates: Any, out: Any) -> None:
    """out = base, then out[indices[i], :] += updates[i, :] for every i."""
    rows, width = out.shape
    count = indices.size
    heads = launch.zeros((rows,), "int32")
    links = launch.empty((count,), "int32")
    launch("link_updates", (ceil_div(count, BLOCK),), (BLOCK,), (indices, heads, links, count))
    n = vector(out.dtype.itemsize, width)
    block = tile(width // n)
    grid = (ceil_div(rows, block[1]), ceil_div(width // n, block[0]))
    launch(f"sum_rows<T, {n}>", grid, block, (base, heads, links, updates, out, rows, width))
