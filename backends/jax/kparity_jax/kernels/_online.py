"""Log-sum-exp of rows in one pass, as a reduction over pairs.

The usual two passes (maximum, then sum of exponentials) read the row twice unless it stays on the chip. A pair (m, s)
stands for s * exp(m); combining two of them needs the larger m and one exponential, is associative, and so is a
reduction that any tree or shuffle may carry out. Source: Milakov and Gimelshein, arXiv:1805.02867.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

Terms = tuple[jax.Array, ...]


def logsumexp_and_sum(z: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(log sum exp z, sum z) over the last axis of a float32 matrix, reading it once; XLA drops a sum nobody uses."""
    zero = jnp.float32(0)
    top, scaled, total = lax.reduce((z, jnp.ones_like(z), z), (jnp.float32(-jnp.inf), zero, zero), _combine, (1,))
    return top + jnp.log(scaled), total


def _combine(left: Terms, right: Terms) -> Terms:
    m, s, total = left
    n, t, other = right
    decay = jnp.where(m == n, 1, jnp.exp(-jnp.abs(m - n)))  # equal infinities would give NaN
    scaled = jnp.where(m >= n, s + t * decay, s * decay + t)
    return jnp.maximum(m, n), scaled, total + other
