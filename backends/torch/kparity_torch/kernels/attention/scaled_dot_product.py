"""Scaled dot-product attention with grouped heads.

4 queries keys head_dim operations a head. torch chooses a fused kernel (FlashAttention, cuDNN) that never writes the
scores, where dtype and mask allow one. Two things here keep it on that path: `is_causal` is used only for as many
queries as keys, where torch's alignment to the start and the task's alignment to the end agree (otherwise a mask says
it), and grouped heads are passed as such, except in float32 on a GPU, where only the kernel that wants equally many
heads is fused.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from kparity_torch.kernels._precision import widened_on_cpu


def scaled_dot_product(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool = False) -> torch.Tensor:
    """softmax(q k^T / sqrt(head_dim)) v for each batch and head; `causal` is aligned to the end."""
    heads, queries = q.shape[1:3]
    kv_heads, keys = k.shape[1:3]
    if q.is_cuda and q.dtype == torch.float32 and heads != kv_heads:
        k = k.repeat_interleave(heads // kv_heads, dim=1)
        v = v.repeat_interleave(heads // kv_heads, dim=1)
    mask = None
    if causal and queries != keys:
        mask = torch.ones(queries, keys, dtype=torch.bool, device=q.device).tril(keys - queries)
    out = functional.scaled_dot_product_attention(
        widened_on_cpu(q),
        widened_on_cpu(k),
        widened_on_cpu(v),
        attn_mask=mask,
        is_causal=causal and mask is None,
        enable_gqa=q.shape[1] != k.shape[1],
    )
    return out.to(q.dtype)
