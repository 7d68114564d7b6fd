"""Softmax over the last axis."""

import numpy as np

from kparity import edge, kernel_spec, perf, typical
from kparity_tasks.dtypes import FLOATS


def _online(x):
    """Honest: blocks with a running maximum and a running sum, as fused kernels do."""
    top = np.full((len(x), 1), -np.inf, x.dtype)
    total = np.zeros((len(x), 1), x.dtype)
    for start in range(0, x.shape[1], 96):
        block = x[:, start : start + 96]
        higher = np.maximum(top, np.max(block, axis=-1, keepdims=True))
        total = total * np.exp(top - higher) + np.sum(np.exp(block - higher), axis=-1, keepdims=True)
        top = higher
    return np.exp(x - top) / total


def _overflows(x):
    """Wrong: the largest element is not subtracted first."""
    e = np.exp(x)
    return e / np.sum(e, axis=-1, keepdims=True)


def _counts_padding(x):
    """Wrong: the row is padded with zeros to a multiple of 32, and they are counted."""
    top = np.max(x, axis=-1, keepdims=True)
    e = np.exp(x - top)
    padding = -x.shape[1] % 32
    return e / (np.sum(e, axis=-1, keepdims=True) + padding * np.exp(-top))


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
    honest=[_online],
    mutants=[_overflows, _counts_padding],
    axes={"rows": range(1, 1025), "cols": range(1, 4097)},
    flops="5 * rows * cols",
    independent="rows",
)
def softmax(x):
    """Softmax over the last axis: y[r, c] = exp(x[r, c]) / sum_k exp(x[r, k])."""
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)
