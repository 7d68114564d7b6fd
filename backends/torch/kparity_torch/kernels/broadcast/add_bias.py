"""Row vector added to every row of a matrix: one broadcasting elementwise kernel, 8 bytes an element (float32)."""

from __future__ import annotations

import torch


def add_bias(x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """x[r, c] + bias[c]."""
    return x + bias
