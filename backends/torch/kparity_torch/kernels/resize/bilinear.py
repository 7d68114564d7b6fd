"""Bilinear resizing of images: one kernel that reads four neighbours for each output; caches serve the repeats."""

from __future__ import annotations

import torch
from torch.nn import functional

from kparity_torch.kernels._precision import widened_on_cpu


def bilinear(x: torch.Tensor, out_height: int = 2, out_width: int = 2, align_corners: bool = False) -> torch.Tensor:
    """Bilinear interpolation, NCHW, to `out_height` x `out_width`."""
    size = (out_height, out_width)
    return functional.interpolate(widened_on_cpu(x), size=size, mode="bilinear", align_corners=align_corners).to(
        x.dtype
    )
