"""Logarithm of a sum of exponentials over the last axis."""

import numpy as np

from kparity import edge, kernel_spec, perf, typical
from kparity_tasks.dtypes import FLOATS


def _online(x):
    """Honest: blocks with a running maximum and a running sum."""
    top, total = np.full(len(x), -np.inf, x.dtype), np.zeros(len(x), x.dtype)
    for start in range(0, x.shape[1], 96):
        block = x[:, start : start + 96]
        higher = np.maximum(top, np.max(block, axis=-1))
        total = total * np.exp(top - higher) + np.sum(np.exp(block - higher[:, None]), axis=-1)
        top = higher
    return top + np.log(total)


def _overflows(x):
    """Wrong: the largest element is not subtracted first."""
    return np.log(np.sum(np.exp(x), axis=-1))


def _largest(x):
    """Wrong: the largest element alone."""
    return np.max(x, axis=-1)


@kernel_spec(
    "reduce/logsumexp",
    inputs={"x": "rows cols : T"},
    outputs={"y": "rows : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(rows=1, cols=1),
        edge(rows=3, cols=1023),
        edge(rows=5, cols=4097),
        edge(rows=65537, cols=8),
        typical(rows=128, cols=4096),
        perf(rows=8192, cols=8192),
    ],
    honest=[_online],
    mutants=[_overflows, _largest],
    axes={"rows": range(1, 1025), "cols": range(1, 4097)},
    flops="4 * rows * cols",
    independent="rows",
    strided="x",
)
def logsumexp(x):
    """y[r] = log sum_c exp(x[r, c]), computed without overflow."""
    top = np.max(x, axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.sum(np.exp(x - top), axis=-1))
