"""The first half of a transformer's feed-forward block, fused.

The product, 2 m n k operations, belongs to BLAS; bias and activation after it would read and write all of c once more
from memory. So the product is taken a slab of rows at a time, and bias and GELU follow in place while the slab is
still in the cache: memory sees c once.
"""

from __future__ import annotations

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._math import normal_cdf
from kparity_cpu_ref.kernels._numba import njit, prange

_SLAB_ELEMENTS = 1 << 20
_SLAB_ROWS = 128


@njit(parallel=True, fastmath={"contract"})
def _bias_gelu(z, bias):
    for r in prange(z.shape[0]):
        for c in range(z.shape[1]):
            biased = z[r, c] + bias[c]
            z[r, c] = biased * normal_cdf(biased)


def matmul_bias_gelu(a: np.ndarray, b: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """c = z Phi(z), z = a b + bias."""
    left, right, shift = widen(a), widen(b), widen(bias)
    c = np.empty((a.shape[0], b.shape[1]), np.float32)
    step = max(_SLAB_ROWS, _SLAB_ELEMENTS // max(c.shape[1], 1))  # thin slabs would starve the product
    for first in range(0, c.shape[0], step):
        slab = c[first : first + step]
        np.matmul(left[first : first + step], right, out=slab)
        _bias_gelu(slab, shift)
    return narrow(c, a.dtype)
