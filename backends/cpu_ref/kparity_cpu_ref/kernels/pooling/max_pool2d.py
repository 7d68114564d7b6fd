"""Two-dimensional max pooling with indices.

Reads each plane once and writes 8 bytes an output (float32 and its int32 index). Batch and channel do not interact: a
core takes a whole plane, which its cache holds while windows overlap. Windows are clipped to the plane beforehand, so
padding, being minus infinity, needs no test inside. `>` keeps the first of equal values.
"""

from __future__ import annotations

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._math import f32
from kparity_cpu_ref.kernels._numba import njit, prange


@njit(parallel=True)
def _max_pool(x, kernel, stride, padding, y, indices):
    planes, height, width = x.shape
    for p in prange(planes):
        for i in range(y.shape[1]):
            top = max(i * stride - padding, 0)
            bottom = min(i * stride - padding + kernel, height)
            for j in range(y.shape[2]):
                left = max(j * stride - padding, 0)
                right = min(j * stride - padding + kernel, width)
                best, place = f32(-np.inf), 0
                for row in range(top, bottom):
                    for column in range(left, right):
                        if x[p, row, column] > best:
                            best, place = x[p, row, column], row * width + column
                y[p, i, j] = best
                indices[p, i, j] = place


def max_pool2d(x: np.ndarray, kernel: int = 2, stride: int = 2, padding: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(largest value of each window, its place in the plane as int32)."""
    batch, channels, height, width = x.shape
    out_h = (height + 2 * padding - kernel) // stride + 1
    out_w = (width + 2 * padding - kernel) // stride + 1
    y = np.empty((batch * channels, out_h, out_w), np.float32)
    indices = np.empty(y.shape, np.int32)
    _max_pool(widen(x).reshape(-1, height, width), kernel, stride, padding, y, indices)
    shape = (batch, channels, out_h, out_w)
    return narrow(y, x.dtype).reshape(shape), indices.reshape(shape)
