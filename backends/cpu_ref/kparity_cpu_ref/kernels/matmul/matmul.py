"""Matrix product.

2 m n k operations on (m k + k n + m n) elements. A fast product needs register tiles, packing and a kernel for each
processor: that is what a BLAS is, and no loop that a compiler vectorises comes near it. NumPy's BLAS computes in
float32; what is ours is the way in and out for float16 and bfloat16, one parallel pass each, so that sums are carried
in float32 and rounded once.
"""

from __future__ import annotations

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """c = a b."""
    return narrow(np.matmul(widen(a), widen(b)), a.dtype)
