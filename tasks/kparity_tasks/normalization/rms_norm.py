"""Root-mean-square normalisation with a weight."""

import numpy as np

from kparity import edge, kernel_spec, perf, typical
from kparity_tasks.dtypes import FLOATS


def _epsilon_outside(x, weight, eps=1e-6):
    """Wrong: epsilon added to the root."""
    return x / (np.sqrt(np.mean(x * x, axis=-1, keepdims=True)) + x.dtype.type(eps)) * weight


def _weight_plus_one(x, weight, eps=1e-6):
    """Wrong: the weight counts from zero, as another convention has it."""
    square = np.mean(x * x, axis=-1, keepdims=True)
    return x / np.sqrt(square + x.dtype.type(eps)) * (1 + weight)


def _centred(x, weight, eps=1e-6):
    """Wrong: layer normalisation."""
    centred = x - np.mean(x, axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + x.dtype.type(eps)) * weight


@kernel_spec(
    "normalization/rms_norm",
    inputs={"x": "rows cols : T", "weight": "cols : T"},
    outputs={"y": "rows cols : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(rows=1, cols=1),
        edge(rows=3, cols=1023),
        edge(rows=5, cols=4097),
        edge(rows=65537, cols=8),
        typical(rows=64, cols=4096),
        perf(rows=16384, cols=4096),
    ],
    mutants=[_epsilon_outside, _weight_plus_one, _centred],
    axes={"rows": range(1, 1025), "cols": range(1, 4097)},
    flops="4 * rows * cols",
    independent="rows",
)
def rms_norm(x, weight, eps=1e-6):
    """RMS normalisation over the last axis: y = x / sqrt(mean(x^2) + eps) * weight. Source: arXiv:1910.07467."""
    square = np.mean(x * x, axis=-1, keepdims=True)
    return x / np.sqrt(square + x.dtype.type(eps)) * weight
