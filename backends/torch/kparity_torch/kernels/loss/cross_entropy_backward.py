"""The gradient of cross entropy over class indices, on float32 logits: softmax less the (smoothed) target."""

from __future__ import annotations

import torch
from torch.nn import functional


def cross_entropy_backward(
    logits: torch.Tensor,
    targets: torch.Tensor,
    dloss: torch.Tensor,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """dlogits of the loss of each row; 0 where the target is `ignore_index`."""
    kept = targets != ignore_index
    gradient = functional.softmax(logits, dim=-1, dtype=torch.float32)
    column = torch.where(kept, targets, 0).long()[:, None]
    gradient = gradient.scatter_add(1, column, gradient.new_full(column.shape, label_smoothing - 1.0))
    if label_smoothing:
        gradient = gradient - label_smoothing / logits.shape[1]
    return torch.where(kept[:, None], gradient * dloss[:, None], 0.0).to(logits.dtype)
