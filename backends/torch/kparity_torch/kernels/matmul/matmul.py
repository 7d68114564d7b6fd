"""Matrix product: cuBLAS on a GPU (tensor cores for float16 and bfloat16), oneMKL or OpenBLAS on a CPU.

2 m n k operations on (m k + k n + m n) elements.
"""

from __future__ import annotations

import torch

from kparity_torch.kernels._precision import widened_on_cpu


def matmul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """c = a b."""
    return (widened_on_cpu(a) @ widened_on_cpu(b)).to(a.dtype)
