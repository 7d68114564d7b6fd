"""Layer normalisation with an affine step.

8 bytes an element (float32). A core takes a whole row and sweeps it three times, the last two in its cache: mean,
then the variance of the centred values, then the result. The one-sweep variance E[x^2] - mean^2 would save nothing
that counts and lose every digit where the mean is large.
"""

from __future__ import annotations

import math

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._math import f32
from kparity_cpu_ref.kernels._numba import njit, prange


@njit(parallel=True, fastmath={"reassoc", "contract"})
def _layer_norm(x, weight, bias, eps, y):
    rows, cols = x.shape
    for r in prange(rows):
        total = f32(0.0)
        for c in range(cols):
            total += x[r, c]
        mean = total / f32(cols)
        squares = f32(0.0)
        for c in range(cols):
            centred = x[r, c] - mean
            squares += centred * centred
        scale = f32(1.0) / math.sqrt(squares / f32(cols) + eps)
        for c in range(cols):
            y[r, c] = (x[r, c] - mean) * scale * weight[c] + bias[c]


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    """(x - mean) / sqrt(variance + eps) * weight + bias over the last axis."""
    wide = widen(x)
    y = np.empty_like(wide)
    _layer_norm(wide, widen(weight), widen(bias), np.float32(eps), y)
    return narrow(y, x.dtype)
