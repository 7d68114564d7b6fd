"""Embedding lookup: a gather of rows; every row is read once and written once."""

from __future__ import annotations

import torch
from torch.nn import functional


def embedding(table: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """rows[t, :] = table[indices[t], :]."""
    return functional.embedding(indices, table)
