"""The gradients of root-mean-square normalisation.

Bytes: x and dy once in, dx once out; weight, dweight and partial sums are small. Operations: about 11 an element;
memory is the limit.
Tiling: dx is a sum along each row, dweight one across all rows, and both should come from the same read. So there are
no more programs than an H100 runs at once; each walks over its share of the rows, which stay in registers, and carries
its own sum of dweight along. A second, small kernel adds up the programs' sums. Atomic additions would save that kernel
and cost reproducibility: their order, hence the rounding, changes from run to run. How many programs there are does not
depend on the device either.

Rows of more than 8192 elements do not fit: they are read in chunks, twice for dx and once more, by strips of columns,
for dweight.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._rows import row_tile
from kparity_triton.kernels._tiles import narrow

PROGRAMS = 264
"""Two for each SM of an H100."""


@triton.jit
def _whole_rows(x, weight, dy, dx, partial, rows, cols, eps, ROWS: tl.constexpr, COLS: tl.constexpr):
    col = tl.arange(0, COLS)
    w = tl.load(weight + col, mask=col < cols, other=0.0).to(tl.float32)
    total = tl.zeros((ROWS, COLS), tl.float32)
    for first in range(tl.program_id(0) * ROWS, rows, tl.num_programs(0) * ROWS):
        row = first + tl.arange(0, ROWS)
        inside = (row < rows)[:, None] & (col < cols)[None, :]
        offset = row.to(tl.int64)[:, None] * cols + col[None, :]
        v = tl.load(x + offset, mask=inside, other=0.0).to(tl.float32)
        g = tl.load(dy + offset, mask=inside, other=0.0).to(tl.float32)
        inverse = 1.0 / tl.sqrt(tl.sum(v * v, axis=1) / cols + eps)
        normal = v * inverse[:, None]
        scaled = g * w[None, :]
        mean = tl.sum(scaled * normal, axis=1) / cols
        result = inverse[:, None] * (scaled - normal * mean[:, None])
        tl.store(dx + offset, narrow(result, dx.dtype.element_ty), mask=inside)
        total += g * normal
    tl.store(partial + tl.program_id(0) * cols + col, tl.sum(total, axis=0), mask=col < cols)


@triton.jit
def _long_rows(x, weight, dy, dx, inverses, cols, eps, CHUNK: tl.constexpr):
    x += tl.program_id(0).to(tl.int64) * cols
    dy += tl.program_id(0).to(tl.int64) * cols
    dx += tl.program_id(0).to(tl.int64) * cols
    lane = tl.arange(0, CHUNK)
    squares = tl.zeros((CHUNK,), tl.float32)
    products = tl.zeros((CHUNK,), tl.float32)
    for start in range(0, cols, CHUNK):
        i = start + lane
        v = tl.load(x + i, mask=i < cols, other=0.0).to(tl.float32)
        g = tl.load(dy + i, mask=i < cols, other=0.0).to(tl.float32)
        w = tl.load(weight + i, mask=i < cols, other=0.0).to(tl.float32)
        squares += v * v
        products += g * w * v
    inverse = 1.0 / tl.sqrt(tl.sum(squares, axis=0) / cols + eps)
    mean = tl.sum(products, axis=0) * inverse / cols
    tl.store(inverses + tl.program_id(0), inverse)
    for start in range(0, cols, CHUNK):
        i = start + lane
        v = tl.load(x + i, mask=i < cols, other=0.0).to(tl.float32)
        g = tl.load(dy + i, mask=i < cols, other=0.0).to(tl.float32)
        w = tl.load(weight + i, mask=i < cols, other=0.0).to(tl.float32)
        result = inverse * (g * w - v * inverse * mean)
        tl.store(dx + i, narrow(result, dx.dtype.element_ty), mask=i < cols)


@triton.jit
def _across_rows(x, dy, inverses, partial, rows, cols, ROWS: tl.constexpr, COLS: tl.constexpr):
    """dweight of a strip of columns, as far as every n-th block of rows adds to it."""
    col = tl.program_id(0) * COLS + tl.arange(0, COLS)
    total = tl.zeros((ROWS, COLS), tl.float32)
    for first in range(tl.program_id(1) * ROWS, rows, tl.num_programs(1) * ROWS):
        row = first + tl.arange(0, ROWS)
        inside = (row < rows)[:, None] & (col < cols)[None, :]
        offset = row.to(tl.int64)[:, None] * cols + col[None, :]
        inverse = tl.load(inverses + row, mask=row < rows, other=0.0)
        v = tl.load(x + offset, mask=inside, other=0.0).to(tl.float32)
        g = tl.load(dy + offset, mask=inside, other=0.0).to(tl.float32)
        total += g * (v * inverse[:, None])
    tl.store(partial + tl.program_id(1).to(tl.int64) * cols + col, tl.sum(total, axis=0), mask=col < cols)


@triton.jit
def _add_up(partial, dweight, count, cols, ROWS: tl.constexpr, COLS: tl.constexpr):
    """dweight as the sum of `count` rows of partial sums."""
    col = tl.program_id(0) * COLS + tl.arange(0, COLS)
    total = tl.zeros((ROWS, COLS), tl.float32)
    for first in range(0, count, ROWS):
        row = first + tl.arange(0, ROWS)
        inside = (row < count)[:, None] & (col < cols)[None, :]
        total += tl.load(partial + row.to(tl.int64)[:, None] * cols + col[None, :], mask=inside, other=0.0)
    tl.store(dweight + col, narrow(tl.sum(total, axis=0), dweight.dtype.element_ty), mask=col < cols)


def rms_norm_backward(
    x: torch.Tensor, weight: torch.Tensor, dy: torch.Tensor, eps: float = 1e-6
) -> tuple[torch.Tensor, torch.Tensor]:
    """dx and dweight of RMS normalisation over the last axis of a matrix."""
    rows, cols = x.shape
    dx, dweight = torch.empty_like(x), torch.empty_like(weight)
    tile = row_tile(cols, widest=8192)
    if cols <= tile["COLS"]:
        count = min(PROGRAMS, triton.cdiv(rows, tile["ROWS"]))
        partial = torch.empty((count, cols), dtype=torch.float32, device=x.device)
        _whole_rows[(count,)](x, weight, dy, dx, partial, rows, cols, eps, **tile)
    else:
        count = min(32, triton.cdiv(rows, 16))
        partial = torch.empty((count, cols), dtype=torch.float32, device=x.device)
        inverses = torch.empty((rows,), dtype=torch.float32, device=x.device)
        _long_rows[(rows,)](x, weight, dy, dx, inverses, cols, eps, CHUNK=4096, num_warps=16)
        _across_rows[(triton.cdiv(cols, 256), count)](x, dy, inverses, partial, rows, cols, ROWS=16, COLS=256)
    _add_up[(triton.cdiv(cols, 64),)](partial, dweight, count, cols, ROWS=32, COLS=64)
    return dx, dweight
