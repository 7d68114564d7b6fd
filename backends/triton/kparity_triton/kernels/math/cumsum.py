"""Cumulative sum along the rows of a matrix.

Bytes: rows * cols elements in, as many out. Operations: a parallel scan does a few additions and shuffles for each
element; memory is the limit.
Tiling: a program scans its row (several, where they are narrow) in chunks of up to 4096 elements held in registers:
within a thread, across the threads of a warp, across warps, all in float32. The last result is added to the next
chunk, so the row is read and written once whatever its length.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._rows import row_tile
from kparity_triton.kernels._tiles import narrow


@triton.jit
def _cumsum(x, y, rows, cols, ROWS: tl.constexpr, COLS: tl.constexpr):
    row = tl.minimum(tl.program_id(0) * ROWS + tl.arange(0, ROWS), rows - 1)  # past the end: the last row again
    base = row.to(tl.int64) * cols
    carry = tl.zeros((ROWS,), tl.float32)
    for start in range(0, cols, COLS):
        col = start + tl.arange(0, COLS)
        inside = (col < cols)[None, :]
        offset = base[:, None] + col[None, :]
        v = tl.load(x + offset, mask=inside, other=0.0).to(tl.float32)
        result = tl.cumsum(v, axis=1) + carry[:, None]
        carry = tl.sum(tl.where(tl.arange(0, COLS)[None, :] == COLS - 1, result, 0.0), axis=1)
        tl.store(y + offset, narrow(result, y.dtype.element_ty), mask=inside)


def cumsum(x: torch.Tensor) -> torch.Tensor:
    """Inclusive cumulative sum along the last axis of a matrix."""
    rows, cols = x.shape
    y = torch.empty_like(x)
    tile = row_tile(cols, widest=4096)
    _cumsum[(triton.cdiv(rows, tile["ROWS"]),)](x, y, rows, cols, **tile)
    return y
