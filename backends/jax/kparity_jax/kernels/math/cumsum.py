"""Cumulative sum along the last axis.

Bytes: x once in, y once out, if the scan needs one pass. Operations: one addition for each element done in sequence,
log2(cols) in a tree. JAX hands XLA a windowed reduction, which XLA rewrites into sums over blocks of the row and then
over the block sums: several passes over memory (see `kparity_jax.pallas` for one pass).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def cumsum(x: jax.Array) -> jax.Array:
    """y[r, c] = sum of x[r, :c + 1], carried in float32."""
    return jnp.cumsum(x.astype(jnp.float32), axis=-1).astype(x.dtype)
