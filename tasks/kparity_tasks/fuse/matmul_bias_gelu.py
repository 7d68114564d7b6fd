"""The first half of a transformer's feed-forward block, fused."""

import math

import numpy as np

from kparity import edge, kernel_spec, normal, perf, tensor, typical
from kparity_tasks.dtypes import FLOATS


def _with_erf(a, b, bias):
    """The textbook formulation of GELU, which cancels for negative z."""
    from scipy.special import erf

    z = a @ b + bias
    return 0.5 * z * (1 + erf(z * math.sqrt(0.5)))


def _with_tanh(a, b, bias):
    """Wrong: the tanh approximation of GELU."""
    z = a @ b + bias
    return 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z * z * z)))


def _bias_after(a, b, bias):
    """Wrong: the bias is added after the activation."""
    from scipy.special import erfc

    z = a @ b
    return 0.5 * z * erfc(-z * math.sqrt(0.5)) + bias


@kernel_spec(
    "fuse/matmul_bias_gelu",
    inputs={"a": "m k : T", "b": tensor("k n : T", normal(std="k ** -0.5")), "bias": "n : T"},
    outputs={"c": "m n : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(m=1, n=1, k=1),
        edge(m=17, n=31, k=129),
        edge(m=127, n=65, k=67),
        typical(m=256, n=320, k=192),
        perf(m=4096, n=8192, k=2048),
    ],
    mutants=[_with_tanh, _bias_after],
    axes={"m": range(1, 258), "n": range(1, 258), "k": range(1, 513)},
    flops="2 * m * n * k + 10 * m * n",
    variants=[_with_erf],
    independent=("m", "n"),
)
def matmul_bias_gelu(a, b, bias):
    """Matrix product, bias and exact GELU in one pass: c = z * Phi(z) with z = a b + bias.

    Phi(z) = (1 + erf(z / sqrt(2))) / 2 is the normal distribution function.
    """
    from scipy.special import erfc  # lazily: importing the catalogue stays cheap

    z = a @ b + bias
    return 0.5 * z * erfc(-z * math.sqrt(0.5))
