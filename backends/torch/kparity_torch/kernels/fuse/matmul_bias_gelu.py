"""The first half of a transformer's feed-forward block: product, bias, exact GELU.

2 m n k operations for the product; eager mode then reads and writes the m n intermediate again for each further step,
`torch.compile` fuses those into one. cuBLAS has a fused epilogue for the tanh approximation only. The product of
float16 or bfloat16 is asked for in float32: rounding it before the activation would be a second rounding.
"""

from __future__ import annotations

import torch

from kparity_torch.kernels._gelu import exact_gelu


def matmul_bias_gelu(a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """gelu(a b + bias)."""
    if a.is_cuda and a.dtype != torch.float32:
        z = torch.mm(a, b, out_dtype=torch.float32) + bias
    else:
        z = torch.addmm(bias.float(), a.float(), b.float())
    return exact_gelu(z).to(a.dtype)
