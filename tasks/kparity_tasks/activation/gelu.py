"""Gaussian error linear unit."""

import math

import numpy as np

from kparity import edge, kernel_spec, perf, typical
from kparity_tasks.dtypes import FLOATS


def _with_erf(x, approximate="none"):
    """The textbook formulation, which cancels for negative x."""
    if approximate == "tanh":
        return gelu.reference(x, approximate)
    from scipy.special import erf

    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


def _other_form(x, approximate="none"):
    """Wrong: the exact form for the approximate one and the other way round."""
    return gelu.reference(x, "none" if approximate == "tanh" else "tanh")


def _quick(x, approximate="none"):
    """Wrong: x * sigmoid(1.702 x)."""
    return x / (1 + np.exp(-1.702 * x))


@kernel_spec(
    "activation/gelu",
    inputs={"x": "n : T"},
    outputs={"y": "n : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(n=1),
        edge(n=1021),
        edge(n=65537, approximate="tanh"),
        typical(n=131072),
        typical(n=131072, approximate="tanh"),
        perf(n=33554432),
        perf(n=33554432, approximate="tanh"),
    ],
    mutants=[_other_form, _quick],
    axes={"n": range(1, 16385), "approximate": ("none", "tanh")},
    flops="10 * n",
    variants=[_with_erf],
    independent="n",
)
def gelu(x, approximate="none"):
    """GELU: y = x * Phi(x), Phi being the normal distribution function.

    `approximate="none"` is exact, Phi(x) = (1 + erf(x / sqrt(2))) / 2; `approximate="tanh"` is the approximation
    Phi(x) = (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2. Source: Hendrycks and Gimpel, arXiv:1606.08415.
    """
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    from scipy.special import erfc  # lazily: importing the catalogue stays cheap

    return 0.5 * x * erfc(-x * math.sqrt(0.5))
