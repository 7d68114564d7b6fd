"""Layer normalisation with an affine step.

Bytes: rows * cols elements in, as many out; weight and bias are small and stay in cache. Operations: about 8 an
element; memory is the limit.
Tiling: a row of up to 16384 elements stays in the registers of one program, so the mean, then the variance around it,
then the result cost one read and one write; narrow rows share a program. The two-step variance does not cancel where
the mean is large, as E[x^2] - mean^2 would. A longer row is read twice: first for mean and variance, chunk by chunk,
merging each chunk's pair into the row's (Chan, Golub and LeVeque), then for the result.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._rows import row_tile
from kparity_triton.kernels._tiles import narrow


@triton.jit
def _whole_rows(x, weight, bias, y, rows, cols, eps, ROWS: tl.constexpr, COLS: tl.constexpr):
    row = tl.minimum(tl.program_id(0) * ROWS + tl.arange(0, ROWS), rows - 1)  # past the end: the last row again
    col = tl.arange(0, COLS)
    inside = (col < cols)[None, :]
    offset = row.to(tl.int64)[:, None] * cols + col[None, :]
    v = tl.load(x + offset, mask=inside, other=0.0, eviction_policy="evict_first").to(tl.float32)
    w = tl.load(weight + col, mask=col < cols, other=0.0, eviction_policy="evict_last").to(tl.float32)
    b = tl.load(bias + col, mask=col < cols, other=0.0, eviction_policy="evict_last").to(tl.float32)
    mean = tl.sum(v, axis=1) / cols
    centred = tl.where(inside, v - mean[:, None], 0.0)
    variance = tl.sum(centred * centred, axis=1) / cols
    result = centred * (1.0 / tl.sqrt(variance + eps))[:, None] * w[None, :] + b[None, :]
    tl.store(y + offset, narrow(result, y.dtype.element_ty), mask=inside)


@triton.jit
def _long_rows(x, weight, bias, y, cols, eps, CHUNK: tl.constexpr):
    x += tl.program_id(0).to(tl.int64) * cols
    y += tl.program_id(0).to(tl.int64) * cols
    lane = tl.arange(0, CHUNK)
    mean = 0.0
    squares = 0.0
    for start in range(0, cols, CHUNK):
        inside = start + lane < cols
        v = tl.load(x + start + lane, mask=inside, other=0.0).to(tl.float32)
        size = tl.minimum(cols - start, CHUNK)
        chunk_mean = tl.sum(v, axis=0) / size
        centred = tl.where(inside, v - chunk_mean, 0.0)
        shift = chunk_mean - mean
        mean += shift * size / (start + size)
        squares += tl.sum(centred * centred, axis=0) + shift * shift * size * (start / (start + size))
    scale = 1.0 / tl.sqrt(squares / cols + eps)
    for start in range(0, cols, CHUNK):
        i = start + lane
        v = tl.load(x + i, mask=i < cols, other=0.0).to(tl.float32)
        w = tl.load(weight + i, mask=i < cols, other=0.0).to(tl.float32)
        b = tl.load(bias + i, mask=i < cols, other=0.0).to(tl.float32)
        tl.store(y + i, narrow((v - mean) * scale * w + b, y.dtype.element_ty), mask=i < cols)


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float = 1e-5) -> torch.Tensor:
    """Layer normalisation over the last axis of a matrix."""
    rows, cols = x.shape
    y = torch.empty_like(x)
    tile = row_tile(cols)
    if cols <= tile["COLS"]:
        _whole_rows[(triton.cdiv(rows, tile["ROWS"]),)](x, weight, bias, y, rows, cols, eps, **tile)
    else:
        _long_rows[(rows,)](x, weight, bias, y, cols, eps, CHUNK=8192, num_warps=16)
    return y
