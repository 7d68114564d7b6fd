"""The gradients of scaled dot-product attention: what torch's automatic differentiation makes of the forward kernel.

It runs the forward once more, for the output and the log-sum-exp of each row, and then the backward pass of the fused
kernel that it chose (FlashAttention, cuDNN): 4 queries keys head_dim operations a head for the forward and 10 for the
backward, since the scores are computed again there too.
"""

from __future__ import annotations

import functools

import torch

from kparity_torch.kernels.attention.scaled_dot_product import scaled_dot_product


def scaled_dot_product_backward(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, dout: torch.Tensor, causal: bool = False
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """dq, dk and dv of `scaled_dot_product`, given the gradient `dout` of its output."""
    _, pull = torch.func.vjp(functools.partial(scaled_dot_product, causal=causal), q, k, v)
    dq, dk, dv = pull(dout)
    return dq, dk, dv
