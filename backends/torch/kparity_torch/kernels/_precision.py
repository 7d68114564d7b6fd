"""Where arithmetic on float16 and bfloat16 happens in float32 although torch offers the storage dtype.

On a GPU the tensor cores multiply the storage dtype and add in float32, and elementwise kernels compute in float32.
On a CPU torch's float16 product runs two orders of magnitude slower than float32, and some kernels round their
coefficients to the storage dtype; operands are widened there, and the result is rounded once.
"""

from __future__ import annotations

import torch


def widened_on_cpu(x: torch.Tensor) -> torch.Tensor:
    """`x` itself on a GPU, in float32 on a CPU."""
    return x if x.is_cuda else x.float()
