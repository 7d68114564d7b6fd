"""Cumulative sum along the last axis."""

import numpy as np

from kparity import edge, kernel_spec, perf, typical
from kparity_tasks.dtypes import FLOATS


def _exclusive(x):
    """Wrong: each element is left out of its own sum."""
    return np.cumsum(x, axis=-1) - x


def _restarts(x):
    """Wrong: the sum of one block is not carried into the next."""
    parts = [np.cumsum(x[:, start : start + 256], axis=-1) for start in range(0, x.shape[1], 256)]
    return np.concatenate(parts, axis=-1)


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
    mutants=[_exclusive, _restarts],
    axes={"rows": range(1, 1025), "cols": range(1, 4097)},
    flops="rows * cols",
    independent="rows",
)
def cumsum(x):
    """Inclusive cumulative sum along the last axis: y[r, c] = sum_{k <= c} x[r, k]."""
    return np.cumsum(x, axis=-1)
