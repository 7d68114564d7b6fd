"""Cumulative sum along the last axis: one scan kernel, carried in float32 and rounded at the end."""

from __future__ import annotations

import torch


def cumsum(x: torch.Tensor) -> torch.Tensor:
    """Inclusive cumulative sum along the last axis."""
    return torch.cumsum(x, dim=-1, dtype=torch.float32).to(x.dtype)
