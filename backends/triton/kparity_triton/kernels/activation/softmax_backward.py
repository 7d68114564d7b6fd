"""The gradient of softmax over the rows of a matrix.

Bytes: x and dy once in, dx once out. Operations: about 9 an element, one of them an exponential; memory is the limit.
The output of the forward pass is not saved but computed again: reading it would cost as many bytes as reading x.
Tiling: as in the forward kernel. A row of up to 8192 elements of x and dy stays in the registers of one program, so
everything costs one read and one write; narrow rows share a program. A longer row is read twice: first for its maximum,
its sum and its product with dy, both kept up to date chunk by chunk (they shrink by exp(old maximum - new maximum)
whenever the maximum grows), then for the result, backwards, since the end of the row is still in the L2 cache.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._rows import row_tile
from kparity_triton.kernels._tiles import narrow


@triton.jit
def _whole_rows(x, dy, dx, rows, cols, ROWS: tl.constexpr, COLS: tl.constexpr):
    row = tl.minimum(tl.program_id(0) * ROWS + tl.arange(0, ROWS), rows - 1)  # past the end: the last row again
    col = tl.arange(0, COLS)
    inside = (col < cols)[None, :]
    offset = row.to(tl.int64)[:, None] * cols + col[None, :]
    v = tl.load(x + offset, mask=inside, other=float("-inf")).to(tl.float32)
    g = tl.load(dy + offset, mask=inside, other=0.0).to(tl.float32)
    e = tl.exp(v - tl.max(v, axis=1)[:, None])
    y = e / tl.sum(e, axis=1)[:, None]
    result = y * (g - tl.sum(g * y, axis=1)[:, None])
    tl.store(dx + offset, narrow(result, dx.dtype.element_ty), mask=inside)


@triton.jit
def _long_rows(x, dy, dx, cols, CHUNK: tl.constexpr):
    x += tl.program_id(0).to(tl.int64) * cols
    dy += tl.program_id(0).to(tl.int64) * cols
    dx += tl.program_id(0).to(tl.int64) * cols
    lane = tl.arange(0, CHUNK)
    top = -3.4028234663852886e38  # not -inf: a chunk of -inf must leave the sum at zero, not at NaN
    sums = tl.zeros((CHUNK,), tl.float32)
    products = tl.zeros((CHUNK,), tl.float32)
    for start in range(0, cols, CHUNK):
        v = tl.load(x + start + lane, mask=start + lane < cols, other=float("-inf")).to(tl.float32)
        g = tl.load(dy + start + lane, mask=start + lane < cols, other=0.0).to(tl.float32)
        higher = tl.maximum(top, tl.max(v, axis=0))
        shrink = tl.exp(top - higher)
        e = tl.exp(v - higher)
        sums = sums * shrink + e
        products = products * shrink + e * g
        top = higher
    total = tl.sum(sums, axis=0)
    product = tl.sum(products, axis=0) / total
    chunks = tl.cdiv(cols, CHUNK)
    for done in range(chunks):
        i = (chunks - 1 - done) * CHUNK + lane
        v = tl.load(x + i, mask=i < cols, other=0.0).to(tl.float32)
        g = tl.load(dy + i, mask=i < cols, other=0.0).to(tl.float32)
        result = tl.exp(v - top) / total * (g - product)
        tl.store(dx + i, narrow(result, dx.dtype.element_ty), mask=i < cols)


def softmax_backward(x: torch.Tensor, dy: torch.Tensor) -> torch.Tensor:
    """y (dy - sum(dy y)) over the last axis of a matrix, where y = softmax(x)."""
    rows, cols = x.shape
    dx = torch.empty_like(x)
    tile = row_tile(cols, widest=8192)
    if cols <= tile["COLS"]:
        _whole_rows[(triton.cdiv(rows, tile["ROWS"]),)](x, dy, dx, rows, cols, **tile)
    else:
        _long_rows[(rows,)](x, dy, dx, cols, CHUNK=4096, num_warps=16)
    return dx
