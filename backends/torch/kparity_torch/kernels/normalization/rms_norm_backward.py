"""The gradients of root-mean-square normalisation, in float32.

Eager mode writes an array for each step; `torch.compile` makes a kernel for each of the two directions in which is
summed: along the rows for dx, across them for dweight.
"""

from __future__ import annotations

import torch


def rms_norm_backward(
    x: torch.Tensor, weight: torch.Tensor, dy: torch.Tensor, eps: float = 1e-6
) -> tuple[torch.Tensor, torch.Tensor]:
    """dx and dweight of x / sqrt(mean(x^2) + eps) * weight over the last axis."""
    z, g = x.float(), dy.float()
    inverse = torch.rsqrt(z.square().mean(-1, keepdim=True) + eps)
    normal, scaled = z * inverse, g * weight.float()
    dx = inverse * (scaled - normal * (scaled * normal).mean(-1, keepdim=True))
    return dx.to(x.dtype), (g * normal).sum(0).to(weight.dtype)
