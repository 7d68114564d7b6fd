"""Layer normalisation with an affine step."""

import numpy as np

from kparity import edge, kernel_spec, normal, perf, tensor, typical
from kparity_tasks.dtypes import FLOATS


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
