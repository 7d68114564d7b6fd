"""Two-dimensional convolution: cuDNN on a GPU, oneDNN on a CPU.

2 out_channels in_channels / groups kernel_h kernel_w operations an output pixel. TF32 stays as torch sets it for
convolutions (allowed), which the contract permits.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from kparity_torch.kernels._precision import widened_on_cpu


def conv2d(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> torch.Tensor:
    """Cross-correlation with zero padding, NCHW, plus bias."""
    y = functional.conv2d(
        widened_on_cpu(x), widened_on_cpu(weight), widened_on_cpu(bias), stride, padding, dilation, groups
    )
    return y.to(x.dtype)
