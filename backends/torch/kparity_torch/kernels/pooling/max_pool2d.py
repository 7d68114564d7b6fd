"""Two-dimensional max pooling with indices: one kernel, whose 64-bit indices a second one narrows to 32 bits."""

from __future__ import annotations

import torch
from torch.nn import functional


def max_pool2d(
    x: torch.Tensor, kernel: int = 2, stride: int = 2, padding: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """(largest value of each window, its place in the plane as int32)."""
    y, indices = functional.max_pool2d(x, kernel, stride, padding, return_indices=True)
    return y, indices.to(torch.int32)
