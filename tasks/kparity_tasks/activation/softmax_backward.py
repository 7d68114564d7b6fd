"""The gradient of softmax over the last axis."""

import numpy as np

from kparity import edge, kernel_spec, perf, typical
from kparity_tasks.activation.softmax import softmax
from kparity_tasks.dtypes import FLOATS


@kernel_spec(
    "activation/softmax_backward",
    gradient_of=softmax,
    inputs={"x": "rows cols : T", "dy": "rows cols : T"},
    outputs={"dx": "rows cols : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(rows=1, cols=1),
        edge(rows=3, cols=1023),
        edge(rows=2, cols=40961),
        edge(rows=65537, cols=8),
        typical(rows=32, cols=4096),
        perf(rows=8192, cols=8192),
    ],
    flops="9 * rows * cols",
    independent="rows",
)
def softmax_backward(x, dy):
    """Gradient of softmax: dx[r, c] = y[r, c] (dy[r, c] - sum_k dy[r, k] y[r, k]), where y = softmax(x)."""
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    y = e / np.sum(e, axis=-1, keepdims=True)
    return y * (dy - np.sum(dy * y, axis=-1, keepdims=True))
