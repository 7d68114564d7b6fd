"""Embedding lookup: a gather of rows.

Traffic: every gathered row is read and written, 2 * tokens * width * sizeof(T) bytes, and no arithmetic at all. The
kernel copies bits: the unit is 16 bytes where rows are a multiple of that, one element otherwise. Neighbouring
threads copy neighbouring units of one row, so that both sides are coalesced whatever the indices are; each thread
moves up to four units that do not wait for each other.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import ceil_div, tile, vector

UNITS = 4


@cuda_kernel("embedding.cu")
def embedding(launch: Launcher, table: Any, indices: Any, rows: Any) -> None:
    """rows[t, :] = table[indices[t], :]."""
    tokens, width = rows.shape
    n = vector(rows.dtype.itemsize, width)
    units = width // n
    block = tile(ceil_div(units, UNITS))
    unit = "T" if n == 1 else "uint4"
    launch(f"copy_rows<{unit}, {UNITS}>", (ceil_div(tokens, block[1]),), block, (table, indices, rows, tokens, units))
