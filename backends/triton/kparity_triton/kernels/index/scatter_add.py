"""Rows added into a matrix at indices that repeat.

Bytes: base and updates are read once and out is written once; the indices are small. Adding with atomics would read
and write every touched row of out once more, and would round 16-bit sums at every step.
So the sums are gathered instead. A first pass threads the updates of each row into a linked list: one atomic exchange
of four bytes for each update puts it at the head of its row's list. A second pass walks the lists, adds base and
updates in float32 and rounds once. The order of a list, and with it the last bit of a sum, varies from run to run.
Tiling of the second pass: 2048 elements a program, several rows where these are narrow, which walk their lists in
step. A list is walked one element after another, so this is for many rows with a few updates each; a single row that
collects all updates would run at the latency of memory.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._rows import row_tile
from kparity_triton.kernels._tiles import narrow

BLOCK = 256


@triton.jit
def _link(indices, first, following, count, BLOCK: tl.constexpr):
    update = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    valid = update < count
    row = tl.load(indices + update, mask=valid, other=0)
    tl.store(following + update, tl.atomic_xchg(first + row, update, mask=valid, sem="relaxed"), mask=valid)


@triton.jit
def _gather(base, updates, first, following, out, rows, width, ROWS: tl.constexpr, COLS: tl.constexpr):
    across = tl.cdiv(width, COLS)
    row = tl.program_id(0) // across * ROWS + tl.arange(0, ROWS)
    col = tl.program_id(0) % across * COLS + tl.arange(0, COLS)
    inside = (row < rows)[:, None] & (col < width)[None, :]
    offset = row.to(tl.int64)[:, None] * width + col[None, :]
    update = tl.load(first + row, mask=row < rows, other=-1)
    total = tl.load(base + offset, mask=inside, other=0.0).to(tl.float32)
    while tl.max(update, axis=0) >= 0:
        here = (update >= 0)[:, None] & (col < width)[None, :]
        source = updates + update.to(tl.int64)[:, None] * width + col[None, :]
        total += tl.load(source, mask=here, other=0.0).to(tl.float32)
        update = tl.load(following + update, mask=update >= 0, other=-1)
    tl.store(out + offset, narrow(total, out.dtype.element_ty), mask=inside)


def scatter_add(base: torch.Tensor, indices: torch.Tensor, updates: torch.Tensor) -> torch.Tensor:
    """base with updates[i] added to row indices[i], for every i."""
    rows, width = base.shape
    count = indices.shape[0]
    out = torch.empty_like(base)
    first = torch.full((rows,), -1, dtype=torch.int32, device=base.device)
    following = torch.empty((count,), dtype=torch.int32, device=base.device)
    _link[(triton.cdiv(count, BLOCK),)](indices, first, following, count, BLOCK=BLOCK)
    tile = row_tile(width, widest=1024)
    programs = triton.cdiv(rows, tile["ROWS"]) * triton.cdiv(width, tile["COLS"])
    _gather[(programs,)](base, updates, first, following, out, rows, width, **tile)
    return out
