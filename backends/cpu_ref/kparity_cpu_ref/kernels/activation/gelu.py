"""Gaussian error linear unit.

One pass, 8 bytes an element (float32). With a vectorised exponential the arithmetic, some forty operations, keeps up
with memory. Both forms are written so that nothing cancels in the negative tail: the distribution function is
computed there directly (not as (1 + erf) / 2, of which nothing is left below -5), and (1 + tanh u) / 2 is 1 / (1 +
exp(-2 u)).
"""

from __future__ import annotations

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._math import exp, f32, normal_cdf
from kparity_cpu_ref.kernels._numba import njit, prange


@njit(parallel=True, fastmath={"contract"})
def _gelu(x, y, tanh):
    if tanh:
        for i in prange(x.size):
            cube = x[i] * x[i] * x[i]
            y[i] = x[i] / (f32(1.0) + exp(f32(-1.59576912) * (x[i] + f32(0.044715) * cube)))
    else:
        for i in prange(x.size):
            y[i] = x[i] * normal_cdf(x[i])


def gelu(x: np.ndarray, approximate: str = "none") -> np.ndarray:
    """x * Phi(x), exact or with the tanh approximation of Phi."""
    wide = widen(x)
    y = np.empty_like(wide)
    _gelu(wide, y, approximate == "tanh")
    return narrow(y, x.dtype)
