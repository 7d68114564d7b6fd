"""Logarithm of a sum of exponentials over the last axis.

Traffic: every element is read once, rows * cols * sizeof(T) bytes; the result is small. A running maximum with a sum
that is rescaled whenever the maximum grows needs one pass for any length, where "maximum first, then sum" needs two.
One exponential for each element and one for each vector: still less than what memory takes.
Inputs with strides, or off 16 bytes, are copied first, which takes two to three times as long.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import streaming

BATCH = 4


@cuda_kernel("logsumexp.cu")
def logsumexp(launch: Launcher, x: Any, y: Any) -> None:
    """y[r] = log sum_c exp(x[r, c])."""
    x = launch.contiguous(x)
    g = streaming(x)
    launch(f"logsumexp_rows<T, {g.vector}, {g.group}, {BATCH}>", g.grid, g.block, (x, y, *x.shape))
