"""The gradients of root-mean-square normalisation.

12 bytes an element (float32). dx is a sum along the rows, dweight one across them. A core takes a strip of whole rows
and adds up its own dweight while the row is in cache; the strips' sums are added at the end, in order. There are as
many strips on every machine, so that the result does not depend on the number of cores.
"""

from __future__ import annotations

import math

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._math import f32
from kparity_cpu_ref.kernels._numba import njit, prange

_STRIPS = 64


@njit(parallel=True, fastmath={"reassoc", "contract"})
def _rms_norm_backward(x, weight, dy, eps, dx, partial):
    rows, cols = x.shape
    strips = partial.shape[0]
    for strip in prange(strips):
        for r in range(rows * strip // strips, rows * (strip + 1) // strips):
            squares = f32(0.0)
            products = f32(0.0)
            for c in range(cols):
                squares += x[r, c] * x[r, c]
                products += x[r, c] * (dy[r, c] * weight[c])
            inverse = f32(1.0) / math.sqrt(squares / f32(cols) + eps)
            mean = products * inverse / f32(cols)
            for c in range(cols):
                normal = x[r, c] * inverse
                dx[r, c] = inverse * (dy[r, c] * weight[c] - normal * mean)
                partial[strip, c] += dy[r, c] * normal


def rms_norm_backward(
    x: np.ndarray, weight: np.ndarray, dy: np.ndarray, eps: float = 1e-6
) -> tuple[np.ndarray, np.ndarray]:
    """dx and dweight of x / sqrt(mean(x^2) + eps) * weight over the last axis."""
    wide = widen(x)
    dx = np.empty_like(wide)
    partial = np.zeros((min(_STRIPS, len(wide)), wide.shape[1]), np.float32)
    _rms_norm_backward(wide, widen(weight), widen(dy), np.float32(eps), dx, partial)
    return narrow(dx, x.dtype), narrow(np.sum(partial, axis=0), weight.dtype)
