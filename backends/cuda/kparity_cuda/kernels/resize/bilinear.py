"""Bilinear resizing of images.

Traffic: the input read once, the output written once. With 16-bit elements instructions are as scarce as bytes, so
what outputs share is computed once: one thread computes eight lines of neighbouring outputs that fill 16 bytes (where
the width allows it). It finds the columns' sources once for all lines, interpolates each source line along the columns
once, and writes each vector in one access. Sources of threads side by side overlap, and the L1 cache serves that.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import BLOCK, ceil_div, index_type, vector

LINES = 8


@cuda_kernel("bilinear.cu")
def bilinear(
    launch: Launcher, x: Any, y: Any, out_height: int = 2, out_width: int = 2, align_corners: bool = False
) -> None:
    """Resize the planes of `x` to out_height x out_width."""
    height, width = x.shape[2:]
    n = vector(x.dtype.itemsize, out_width)
    scales = (_scale(height, out_height, align_corners), _scale(width, out_width, align_corners))
    vectors = y.shape[0] * y.shape[1] * ceil_div(out_height, LINES) * (out_width // n)
    args = (x, y, vectors, height, width, out_height, out_width // n, *scales, 0.0 if align_corners else 0.5)
    launch(f"bilinear_planes<T, {index_type(y)}, {n}, {LINES}>", (ceil_div(vectors, BLOCK),), (BLOCK,), args)


def _scale(length: int, out_length: int, align_corners: bool) -> float:
    if align_corners:
        return (length - 1) / (out_length - 1) if out_length > 1 else 0.0
    return length / out_length
