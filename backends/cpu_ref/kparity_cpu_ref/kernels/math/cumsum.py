"""Cumulative sum along the last axis.

8 bytes and one addition an element (float32). Each sum needs the one before it, so a row is a chain of additions,
four cycles each on today's cores, and cannot be vectorised; rows are independent and go to different cores. The sum
is carried in float64: it takes no longer and the rounding of a long row's sums disappears.
"""

from __future__ import annotations

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._numba import njit, prange


@njit(parallel=True)
def _cumsum(x, y):
    for r in prange(x.shape[0]):
        total = 0.0
        for c in range(x.shape[1]):
            total += x[r, c]
            y[r, c] = total


def cumsum(x: np.ndarray) -> np.ndarray:
    """Inclusive cumulative sum along the last axis."""
    wide = widen(x)
    y = np.empty_like(wide)
    _cumsum(wide, y)
    return narrow(y, x.dtype)
