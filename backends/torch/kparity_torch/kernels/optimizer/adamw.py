"""One AdamW step in plain tensor operations, nothing modified in place.

The step needs 28 bytes an element (float32); eager mode reads and writes intermediates a dozen times, `torch.compile`
makes it one sweep. `torch.optim.AdamW(fused=True)` is one sweep too but updates its parameters in place.
"""

from __future__ import annotations

import torch


def adamw(
    param: torch.Tensor,
    grad: torch.Tensor,
    exp_avg: torch.Tensor,
    exp_avg_sq: torch.Tensor,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    step: int = 1,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(new_param, new_exp_avg, new_exp_avg_sq) after one step."""
    wide = grad.float()
    m = beta1 * exp_avg + (1 - beta1) * wide
    v = beta2 * exp_avg_sq + (1 - beta2) * wide * wide
    denominator = torch.sqrt(v / (1 - beta2**step)) + eps
    new_param = param.float() * (1 - lr * weight_decay) - lr / (1 - beta1**step) * m / denominator
    return new_param.to(param.dtype), m, v
