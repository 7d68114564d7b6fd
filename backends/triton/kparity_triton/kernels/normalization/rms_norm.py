"""Root-mean-square normalisation with a weight.

Bytes: rows * cols elements in, as many out; the weight is small and stays in cache. Operations: about 4 an element;
memory is the limit.
Tiling: a row of up to 16384 elements stays in the registers of one program, so the sum of squares and the result cost
one read and one write; narrow rows share a program. A longer row is read twice, in chunks.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._rows import row_tile
from kparity_triton.kernels._tiles import narrow


@triton.jit
def _whole_rows(x, weight, y, rows, cols, eps, ROWS: tl.constexpr, COLS: tl.constexpr):
    row = tl.minimum(tl.program_id(0) * ROWS + tl.arange(0, ROWS), rows - 1)  # past the end: the last row again
    col = tl.arange(0, COLS)
    inside = (col < cols)[None, :]
    offset = row.to(tl.int64)[:, None] * cols + col[None, :]
    v = tl.load(x + offset, mask=inside, other=0.0, eviction_policy="evict_first").to(tl.float32)
    w = tl.load(weight + col, mask=col < cols, other=0.0, eviction_policy="evict_last").to(tl.float32)
    scale = 1.0 / tl.sqrt(tl.sum(v * v, axis=1) / cols + eps)
    tl.store(y + offset, narrow(v * scale[:, None] * w[None, :], y.dtype.element_ty), mask=inside)


@triton.jit
def _long_rows(x, weight, y, cols, eps, CHUNK: tl.constexpr):
    x += tl.program_id(0).to(tl.int64) * cols
    y += tl.program_id(0).to(tl.int64) * cols
    lane = tl.arange(0, CHUNK)
    squares = tl.zeros((CHUNK,), tl.float32)
    for start in range(0, cols, CHUNK):
        v = tl.load(x + start + lane, mask=start + lane < cols, other=0.0).to(tl.float32)
        squares += v * v
    scale = 1.0 / tl.sqrt(tl.sum(squares, axis=0) / cols + eps)
    for start in range(0, cols, CHUNK):
        i = start + lane
        v = tl.load(x + i, mask=i < cols, other=0.0).to(tl.float32)
        w = tl.load(weight + i, mask=i < cols, other=0.0).to(tl.float32)
        tl.store(y + i, narrow(v * scale * w, y.dtype.element_ty), mask=i < cols)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float = 1e-6) -> torch.Tensor:
    """RMS normalisation over the last axis of a matrix."""
    rows, cols = x.shape
    y = torch.empty_like(x)
    tile = row_tile(cols)
    if cols <= tile["COLS"]:
        _whole_rows[(triton.cdiv(rows, tile["ROWS"]),)](x, weight, y, rows, cols, eps, **tile)
    else:
        _long_rows[(rows,)](x, weight, y, cols, eps, CHUNK=8192, num_warps=16)
    return y
