"""Cumulative sum along the last axis."""

import numpy as np

from kparity import edge, kernel_spec, perf, typical
from kparity_tasks.dtypes import FLOATS


@kernel_spec(
    "math/cumsum",
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
    flops="rows * cols",
    independent="rows",
)
def cumsum(x):
    """Inclusive cumulative sum along the last axis: y[r, c] = sum_{k <= c} x[r, k]."""
    return np.cumsum(x, axis=-1)
