"""Root-mean-square normalisation with a weight.

8 bytes an element (float32). A core takes a whole row: the first sweep sums the squares in vector lanes and leaves
the row in cache, the second scales it. One reciprocal square root a row replaces a division an element.
"""

from __future__ import annotations

import math

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._math import f32
from kparity_cpu_ref.kernels._numba import njit, prange


@njit(parallel=True, fastmath={"reassoc", "contract"})
def _rms_norm(x, weight, eps, y):
    rows, cols = x.shape
    for r in prange(rows):
        squares = f32(0.0)
        for c in range(cols):
            squares += x[r, c] * x[r, c]
        scale = f32(1.0) / math.sqrt(squares / f32(cols) + eps)
        for c in range(cols):
            y[r, c] = x[r, c] * scale * weight[c]


def rms_norm(x: np.ndarray, weight: np.ndarray, eps: float = 1e-6) -> np.ndarray:
    """x / sqrt(mean(x^2) + eps) * weight over the last axis."""
    wide = widen(x)
    y = np.empty_like(wide)
    _rms_norm(wide, widen(weight), np.float32(eps), y)
    return narrow(y, x.dtype)
