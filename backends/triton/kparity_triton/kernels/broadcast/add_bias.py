"""A row vector added to every row of a matrix.

Bytes: rows * cols elements in and out; the bias is small and stays in cache. One addition an element: memory is the
limit by a wide margin.
Tiling: programs take tiles of 2048 elements, up to 1024 columns wide and as high as that allows, numbered along the
rows, so that programs that run together touch neighbouring memory. A program loads its piece of the bias once for all
its rows. Inputs may have any strides: a stride of 1 is compiled in, so that contiguous columns are loaded in vectors.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._rows import row_tile
from kparity_triton.kernels._tiles import narrow


@triton.jit
def _add_bias(x, bias, y, rows, cols, x_row, x_col, bias_col, ROWS: tl.constexpr, COLS: tl.constexpr):
    across = tl.cdiv(cols, COLS)
    row = tl.program_id(0) // across * ROWS + tl.arange(0, ROWS)
    col = tl.program_id(0) % across * COLS + tl.arange(0, COLS)
    inside = (row < rows)[:, None] & (col < cols)[None, :]
    place = row.to(tl.int64)[:, None] * x_row + col.to(tl.int64)[None, :] * x_col
    offset = row.to(tl.int64)[:, None] * cols + col[None, :]
    b = tl.load(bias + col.to(tl.int64) * bias_col, mask=col < cols, other=0.0).to(tl.float32)
    v = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + offset, narrow(v + b[None, :], y.dtype.element_ty), mask=inside)


def add_bias(x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """x + bias for a matrix and a row vector."""
    rows, cols = x.shape
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    tile = row_tile(cols, widest=1024)
    programs = triton.cdiv(rows, tile["ROWS"]) * triton.cdiv(cols, tile["COLS"])
    _add_bias[(programs,)](x, bias, y, rows, cols, *x.stride(), *bias.stride(), **tile)
    return y
