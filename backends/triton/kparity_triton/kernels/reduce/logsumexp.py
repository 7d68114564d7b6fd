"""Logarithm of a sum of exponentials over the rows of a matrix.

Bytes: every element is read once; one is written for each row. Operations: about 4 an element, one of them an
exponential; memory is the limit.
Tiling: a program walks its row (or rows, where they are narrow) in chunks of up to 8192 elements, carrying the
maximum so far and, lane by lane, the sum of exponentials relative to it: one read whatever the length, and one
reduction of the sums at the end. The input may have any strides: a stride of 1 is compiled in, so that contiguous
columns are loaded in vectors.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._rows import row_tile
from kparity_triton.kernels._tiles import narrow


@triton.jit
def _logsumexp(x, y, rows, cols, x_row, x_col, ROWS: tl.constexpr, COLS: tl.constexpr):
    row = tl.minimum(tl.program_id(0) * ROWS + tl.arange(0, ROWS), rows - 1)  # past the end: the last row again
    base = row.to(tl.int64) * x_row
    top = tl.full((ROWS,), -3.4028234663852886e38, tl.float32)  # not -inf: exp(-inf - -inf) is NaN
    sums = tl.zeros((ROWS, COLS), tl.float32)
    for start in range(0, cols, COLS):
        col = start + tl.arange(0, COLS)
        inside = (col < cols)[None, :]
        place = base[:, None] + col.to(tl.int64)[None, :] * x_col
        v = tl.load(x + place, mask=inside, other=float("-inf")).to(tl.float32)
        higher = tl.maximum(top, tl.max(v, axis=1))
        sums = sums * tl.exp(top - higher)[:, None] + tl.exp(v - higher[:, None])
        top = higher
    result = top + tl.log(tl.sum(sums, axis=1))
    tl.store(y + row, narrow(result, y.dtype.element_ty))


def logsumexp(x: torch.Tensor) -> torch.Tensor:
    """log(sum(exp(x))) over the last axis of a matrix."""
    rows, cols = x.shape
    y = torch.empty((rows,), dtype=x.dtype, device=x.device)
    tile = row_tile(cols, widest=8192)
    _logsumexp[(triton.cdiv(rows, tile["ROWS"]),)](x, y, rows, cols, *x.stride(), **tile)
    return y
