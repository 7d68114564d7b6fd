"""The gradients of root-mean-square normalisation."""

import numpy as np

from kparity import edge, kernel_spec, perf, typical
from kparity_tasks.dtypes import FLOATS
from kparity_tasks.normalization.rms_norm import rms_norm


@kernel_spec(
    "normalization/rms_norm_backward",
    gradient_of=rms_norm,
    inputs={"x": "rows cols : T", "weight": "cols : T", "dy": "rows cols : T"},
    outputs={"dx": "rows cols : T", "dweight": "cols : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(rows=1, cols=1),
        edge(rows=3, cols=1023),
        edge(rows=2, cols=20011),
        edge(rows=65537, cols=8),
        typical(rows=32, cols=4096),
        perf(rows=4096, cols=4096),
    ],
    flops="11 * rows * cols",
)
def rms_norm_backward(x, weight, dy, eps=1e-6):
    """Gradients of RMS normalisation. With n = x / sqrt(mean(x^2) + eps), the means over a row:

    dx = (dy * weight - n * mean(dy * weight * n)) / sqrt(mean(x^2) + eps), and dweight[c] = sum_r dy[r, c] * n[r, c].
    """
    root = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + x.dtype.type(eps))
    normal = x / root
    scaled = dy * weight
    dx = (scaled - normal * np.mean(scaled * normal, axis=-1, keepdims=True)) / root
    return dx, np.sum(dy * normal, axis=0)
