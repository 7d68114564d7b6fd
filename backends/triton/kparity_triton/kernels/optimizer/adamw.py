"""One AdamW step over a flat parameter vector, fused.

Bytes: parameter and gradient, and two float32 moments, come in; the parameter and the moments go out: 28 bytes an
element in float32, 22 with 16-bit parameters. Operations: about 15 an element; memory is the limit, and fusing is
what keeps the intermediate vectors out of it.
Tiling: blocks of 1024 consecutive elements for 128 threads; eight elements a thread make loads of 16 bytes in every
format, seven or eight of them under way at once.

What depends on the step alone (bias corrections, decay) is computed on the host in float64 and passed as scalars, so
no step compiles anew.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._tiles import narrow

BLOCK = 1024


@triton.jit
def _adamw(
    param, grad, exp_avg, exp_avg_sq, new_param, new_exp_avg, new_exp_avg_sq, n,
    beta1, rest1, beta2, rest2, decay, rate, correction, eps, BLOCK: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    p = tl.load(param + i, mask=inside, other=0.0).to(tl.float32)
    g = tl.load(grad + i, mask=inside, other=0.0).to(tl.float32)
    m = beta1 * tl.load(exp_avg + i, mask=inside, other=0.0) + rest1 * g
    v = beta2 * tl.load(exp_avg_sq + i, mask=inside, other=0.0) + rest2 * g * g
    p = p * decay - rate * m / (tl.sqrt(v * correction) + eps)
    tl.store(new_param + i, narrow(p, new_param.dtype.element_ty), mask=inside)
    tl.store(new_exp_avg + i, m, mask=inside)
    tl.store(new_exp_avg_sq + i, v, mask=inside)


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
    """The parameters and both moments after one step; the inputs stay as they are."""
    n = param.numel()
    new = torch.empty_like(param), torch.empty_like(exp_avg), torch.empty_like(exp_avg_sq)
    _adamw[(triton.cdiv(n, BLOCK),)](
        param, grad, exp_avg, exp_avg_sq, *new, n,
        beta1, 1 - beta1, beta2, 1 - beta2, 1 - lr * weight_decay, lr / (1 - beta1**step), 1 / (1 - beta2**step), eps,
        BLOCK=BLOCK, num_warps=4,
    )  # fmt: skip
    return new
