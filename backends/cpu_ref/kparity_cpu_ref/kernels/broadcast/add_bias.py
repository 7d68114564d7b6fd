"""Row vector added to every row of a matrix.

8 bytes and one addition an element (float32): nothing but memory traffic. Each core streams whole rows; the bias
stays in its cache.
"""

from __future__ import annotations

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._numba import njit, prange


@njit(parallel=True)
def _add_bias(x, bias, y):
    for r in prange(x.shape[0]):
        for c in range(x.shape[1]):
            y[r, c] = x[r, c] + bias[c]


def add_bias(x: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x[r, c] + bias[c]."""
    wide = widen(x)
    y = np.empty_like(wide)
    _add_bias(wide, widen(bias), y)
    return narrow(y, x.dtype)
