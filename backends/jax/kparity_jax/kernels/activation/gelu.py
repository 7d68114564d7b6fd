"""GELU, y = x * Phi(x).

Bytes: x once in, y once out. Operations: one loop fusion; in half precision the exact form spends about as long in
the erfc polynomial as in memory, the tanh form much less.

Both forms are rearranged so that nothing cancels for negative x: 1 + erf(t) would lose every digit where erf(t) is
close to -1, erfc(-t) loses none; and (1 + tanh(u)) / 2 is the logistic function of 2u, here 1 / (1 + exp(-2u)).
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax


def gelu(x: jax.Array, approximate: str = "none") -> jax.Array:
    """x * Phi(x) in float32, exact or with the tanh approximation of Phi."""
    z = x.astype(jnp.float32)
    if approximate == "tanh":
        u = math.sqrt(2 / math.pi) * (z + 0.044715 * z * z * z)
        return (z / (1 + jnp.exp(-2 * u))).astype(x.dtype)
    return (0.5 * z * lax.erfc(-z * math.sqrt(0.5))).astype(x.dtype)
