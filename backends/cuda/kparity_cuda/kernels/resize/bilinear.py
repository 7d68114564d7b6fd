"""Bilinear resizing of images.

Traffic: the input read once, the output written once; some 25 operations an output, which an H100 hides behind
memory. One thread computes neighbouring outputs of one line that fill 16 bytes (where the width allows it) and writes
them in one access; it finds the two source lines and their weights once for all of them. Sources of neighbouring
outputs overlap, and the L1 cache serves the overlap.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import BLOCK, ceil_div, index_type, vector


@cuda_kernel("bilinear.cu")
def bilinear(
    launch: Launcher, x: Any, y: Any, out_height: int = 2, out_width: int = 2, align_corners: bool = False
) -> None:
    """Resize the planes of `x` to out_height x out_width."""
    height, width = x.shape[2:]
    n = vector(x.dtype.itemsize, out_width)
    scales = (_scale(height, out_height, align_corners), _scale(width, out_width, align_corners))
    args = (x, y, y.size // n, height, width, out_height, out_width // n, *scales, 0.0 if align_corners else 0.5)
    launch(f"bilinear_planes<T, {index_type(y)}, {n}>", (ceil_div(y.size // n, BLOCK),), (BLOCK,), args)


def _scale(length: int, out_length: int, align_corners: bool) -> float:
    if align_corners:
        return (length - 1) / (out_length - 1) if out_length > 1 else 0.0
    return length / out_length
