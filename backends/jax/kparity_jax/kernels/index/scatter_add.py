"""Scatter-add of rows whose indices repeat.

Bytes: base once in, out once out, updates once in, and a read-modify-write of each touched row. Operations: one
addition for each element of the updates. On GPUs XLA adds with float32 atomics, in no fixed order; half-precision
sums are carried in a float32 copy of the base and rounded once, which costs two more passes over it but keeps
repeated rows exact.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def scatter_add(base: jax.Array, indices: jax.Array, updates: jax.Array) -> jax.Array:
    """out = base, then out[indices[i], :] += updates[i, :] for every i, summed in float32."""
    total = base.astype(jnp.float32).at[indices].add(updates.astype(jnp.float32), mode="promise_in_bounds")
    return total.astype(base.dtype)
