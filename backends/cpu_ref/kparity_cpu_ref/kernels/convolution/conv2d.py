"""Two-dimensional convolution as a matrix product.

Every output is a dot product of in_channels / groups * kernel_h * kernel_w terms. Laid out as columns ("im2col"), the
inputs of all outputs of one image make the convolution a matrix product for BLAS. The columns repeat each input
kernel_h * kernel_w times, so one image is unfolded at a time, into a buffer that is used again for the next.
"""

from __future__ import annotations

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._math import f32
from kparity_cpu_ref.kernels._numba import njit, prange


@njit(parallel=True)
def _unfold(image, stride, padding, dilation, columns):
    channels, height, width = image.shape
    _, kernel_h, kernel_w, out_h, out_w = columns.shape
    for tap in prange(channels * kernel_h * kernel_w):
        channel, u, v = tap // (kernel_h * kernel_w), tap // kernel_w % kernel_h, tap % kernel_w
        for i in range(out_h):
            row = i * stride + u * dilation - padding
            for j in range(out_w):
                column = j * stride + v * dilation - padding
                inside = 0 <= row < height and 0 <= column < width
                columns[channel, u, v, i, j] = image[channel, row, column] if inside else f32(0.0)


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> np.ndarray:
    """Cross-correlation with zero padding, NCHW, plus bias."""
    batch, channels, height, width = x.shape
    out_channels, _, kernel_h, kernel_w = weight.shape
    out_h = (height + 2 * padding - dilation * (kernel_h - 1) - 1) // stride + 1
    out_w = (width + 2 * padding - dilation * (kernel_w - 1) - 1) // stride + 1
    images, taps, shift = widen(x), widen(weight).reshape(groups, out_channels // groups, -1), widen(bias)
    columns = np.empty((channels, kernel_h, kernel_w, out_h, out_w), np.float32)
    y = np.empty((batch, groups, out_channels // groups, out_h * out_w), np.float32)
    for image, out in zip(images, y, strict=True):
        _unfold(image, stride, padding, dilation, columns)
        np.matmul(taps, columns.reshape(groups, -1, out_h * out_w), out=out)
        out += shift.reshape(groups, -1, 1)
    return narrow(y, x.dtype).reshape(batch, out_channels, out_h, out_w)
