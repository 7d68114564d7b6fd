"""Log-sum-exp over the last axis.

Bytes: x once in; the output is one number for each row. Operations: one exponential for each element and combination.
The maximum and the sum of exponentials are reduced together, as pairs (see `_online`), so that x is read once: a
row-wise reduction cannot keep its input on the chip for a second look the way softmax, whose output is as large, can.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from kparity_jax.kernels._online import logsumexp_and_sum


def logsumexp(x: jax.Array) -> jax.Array:
    """log sum_c exp(x[r, c]) of each row, in float32, without overflow."""
    return logsumexp_and_sum(x.astype(jnp.float32))[0].astype(x.dtype)
