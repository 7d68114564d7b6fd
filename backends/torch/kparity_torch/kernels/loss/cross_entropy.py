"""Cross entropy over class indices, on float32 logits.

Eager mode writes the log-softmax of all logits and reads it again: three times the traffic that the loss needs.
`torch.compile` fuses it away.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, ignore_index: int = -100, label_smoothing: float = 0.0
) -> torch.Tensor:
    """Loss of each row in float32; 0 where the target is `ignore_index`."""
    return functional.cross_entropy(
        logits.float(),
        targets.long(),
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction="none",
    )
