"""Softmax over the last axis."""

import numpy as np

from kparity import edge, kernel_spec, perf, typical
from kparity_tasks.dtypes import FLOATS


@kernel_spec(
    "activation/softmax",
    inputs={"x": "rows cols : T"},
    outputs={"y": "rows cols : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(rows=1, cols=1),
        edge(rows=3, cols=1023),
        edge(rows=5, cols=4097),
        edge(rows=65537, cols=8),
        typical(rows=128, cols=4096),
        perf(rows=8192, cols=8192),
    ],
    axes={"rows": range(1, 1025), "cols": range(1, 4097)},
    flops="5 * rows * cols",
    independent="rows",
)
def softmax(x):
    """Softmax over the last axis: y[r, c] = exp(x[r, c]) / sum_k exp(x[r, k])."""
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)
