"""Softmax over the rows of a matrix.

Bytes: rows * cols elements in, as many out. Operations: about 5 an element, one of them an exponential; memory is the
limit, and each element should be read once.
Tiling: a row of up to 16384 elements stays in the registers of one program (16 or 32 elements a thread), so maximum,
exponential, sum and quotient cost one read and one write; narrow rows share a program. A longer row is read twice:
first for its maximum and sum, both kept up to date chunk by chunk (the sum so far shrinks by exp(old maximum - new
maximum) whenever the maximum grows), then for the quotients; the second read finds the end of the row in the L2
cache, which is why it runs backwards.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._rows import row_tile
from kparity_triton.kernels._tiles import narrow


@triton.jit
def _whole_rows(x, y, rows, cols, ROWS: tl.constexpr, COLS: tl.constexpr):
    row = tl.minimum(tl.program_id(0) * ROWS + tl.arange(0, ROWS), rows - 1)  # past the end: the last row again
    col = tl.arange(0, COLS)
    inside = (col < cols)[None, :]
    offset = row.to(tl.int64)[:, None] * cols + col[None, :]
    v = tl.load(x + offset, mask=inside, other=float("-inf")).to(tl.float32)
    e = tl.exp(v - tl.max(v, axis=1)[:, None])
    result = e / tl.sum(e, axis=1)[:, None]
    tl.store(y + offset, narrow(result, y.dtype.element_ty), mask=inside)


@triton.jit
def _long_rows(x, y, cols, CHUNK: tl.constexpr):
    x += tl.program_id(0).to(tl.int64) * cols
    y += tl.program_id(0).to(tl.int64) * cols
    lane = tl.arange(0, CHUNK)
    top = -3.4028234663852886e38  # not -inf: a chunk of -inf must leave the sum at zero, not at NaN
    sums = tl.zeros((CHUNK,), tl.float32)
    for start in range(0, cols, CHUNK):
        v = tl.load(x + start + lane, mask=start + lane < cols, other=float("-inf")).to(tl.float32)
        higher = tl.maximum(top, tl.max(v, axis=0))
        sums = sums * tl.exp(top - higher) + tl.exp(v - higher)
        top = higher
    total = tl.sum(sums, axis=0)
    chunks = tl.cdiv(cols, CHUNK)
    for done in range(chunks):
        i = (chunks - 1 - done) * CHUNK + lane
        v = tl.load(x + i, mask=i < cols, other=0.0).to(tl.float32)
        tl.store(y + i, narrow(tl.exp(v - top) / total, y.dtype.element_ty), mask=i < cols)


def softmax(x: torch.Tensor) -> torch.Tensor:
    """Softmax over the last axis of a matrix."""
    rows, cols = x.shape
    y = torch.empty_like(x)
    tile = row_tile(cols)
    if cols <= tile["COLS"]:
        _whole_rows[(triton.cdiv(rows, tile["ROWS"]),)](x, y, rows, cols, **tile)
    else:
        _long_rows[(rows,)](x, y, cols, CHUNK=8192, num_warps=16)
    return y
