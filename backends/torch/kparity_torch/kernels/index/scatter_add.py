"""Scatter with addition, where indices repeat.

`index_add` copies the base and adds the updates, with atomics on a GPU, where the order of additions is open. In
float16 or bfloat16 it would round every partial sum, so the sums are carried in a float32 copy and rounded once.
"""

from __future__ import annotations

import torch


def scatter_add(base: torch.Tensor, indices: torch.Tensor, updates: torch.Tensor) -> torch.Tensor:
    """base with updates[i, :] added to row indices[i], for every i."""
    return base.float().index_add(0, indices, updates.float()).to(base.dtype)
