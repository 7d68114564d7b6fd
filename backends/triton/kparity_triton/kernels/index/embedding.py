"""Embedding lookup: rows of a table, gathered by index.

Bytes: 4 for each index, one row read and one written for each token; no arithmetic. Which rows are read is random,
but a row is contiguous, so wide rows still stream at full speed.
Tiling: programs take 2048 elements: several tokens where rows are narrow, a piece of one row where they are wide. The
indices of a tile are loaded first, then all of its rows at once, so the two latencies are paid once a tile. Offsets
are 64 bits wide: tables exceed 2^31 bytes.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._rows import row_tile


@triton.jit
def _embedding(table, indices, out, tokens, width, ROWS: tl.constexpr, COLS: tl.constexpr):
    across = tl.cdiv(width, COLS)
    token = tl.program_id(0) // across * ROWS + tl.arange(0, ROWS)
    col = tl.program_id(0) % across * COLS + tl.arange(0, COLS)
    inside = (token < tokens)[:, None] & (col < width)[None, :]
    source = tl.load(indices + token, mask=token < tokens, other=0).to(tl.int64)
    v = tl.load(table + source[:, None] * width + col[None, :], mask=inside)
    tl.store(out + token.to(tl.int64)[:, None] * width + col[None, :], v, mask=inside)


def embedding(table: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """table[indices] for a matrix and a vector of row numbers."""
    tokens, width = indices.shape[0], table.shape[1]
    out = torch.empty((tokens, width), dtype=table.dtype, device=table.device)
    tile = row_tile(width, widest=1024)
    programs = triton.cdiv(tokens, tile["ROWS"]) * triton.cdiv(width, tile["COLS"])
    _embedding[(programs,)](table, indices, out, tokens, width, **tile)
    return out
