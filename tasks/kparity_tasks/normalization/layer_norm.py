"""Layer normalisation with an affine step."""

import numpy as np

from kparity import edge, kernel_spec, normal, perf, tensor, typical
from kparity_tasks.dtypes import FLOATS


def _merged(x, weight, bias, eps=1e-5):
    """Honest: mean and variance merged from blocks of 200 columns (Chan et al.)."""
    count, mean, squares = 0, x[:, :1] * 0, x[:, :1] * 0
    for start in range(0, x.shape[1], 200):
        block = x[:, start : start + 200]
        size = block.shape[1]
        own = np.mean(block, axis=-1, keepdims=True)
        delta = own - mean
        both = count + size
        squares = squares + np.sum((block - own) ** 2, axis=-1, keepdims=True)
        squares = squares + delta * delta * x.dtype.type(count * size / both)
        mean, count = mean + delta * x.dtype.type(size / both), both
    return (x - mean) / np.sqrt(squares / x.dtype.type(count) + x.dtype.type(eps)) * weight + bias


def _one_pass(x, weight, bias, eps=1e-5):
    """Wrong: the variance as E[x^2] - E[x]^2, which cancels where the mean is large."""
    mean = np.mean(x, axis=-1, keepdims=True)
    variance = np.mean(x * x, axis=-1, keepdims=True) - mean * mean
    return (x - mean) / np.sqrt(np.maximum(variance, 0) + x.dtype.type(eps)) * weight + bias


def _unbiased(x, weight, bias, eps=1e-5):
    """Wrong: the variance divided by n - 1."""
    centred = x - np.mean(x, axis=-1, keepdims=True)
    variance = np.sum(centred * centred, axis=-1, keepdims=True) / x.dtype.type(max(x.shape[1] - 1, 1))
    return centred / np.sqrt(variance + x.dtype.type(eps)) * weight + bias


def _epsilon_outside(x, weight, bias, eps=1e-5):
    """Wrong: epsilon added to the standard deviation."""
    centred = x - np.mean(x, axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / (np.sqrt(variance) + x.dtype.type(eps)) * weight + bias


@kernel_spec(
    "normalization/layer_norm",
    inputs={"x": tensor("rows cols : T", normal(0.5, 2.0)), "weight": "cols : T", "bias": "cols : T"},
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
    honest=[_merged],
    mutants=[_one_pass, _unbiased, _epsilon_outside],
    axes={"rows": range(1, 1025), "cols": range(1, 4097)},
    flops="8 * rows * cols",
    independent="rows",
)
def layer_norm(x, weight, bias, eps=1e-5):
    """Layer normalisation over the last axis: y = (x - mean) / sqrt(variance + eps) * weight + bias.

    The variance is the biased one, mean((x - mean)^2). Source: Ba et al., arXiv:1607.06450.
    """
    centred = x - np.mean(x, axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + x.dtype.type(eps)) * weight + bias
