"""Matrix products with a float32 accumulator."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax


def dot(a: jax.Array, b: jax.Array, contract: tuple[int, int], batch: Sequence[int] = ()) -> jax.Array:
    """Contract axis `contract[0]` of `a` with `contract[1]` of `b`; the float32 result is not rounded further.

    float32 operands are not cut to TF32. `batch` axes are the same ones in both; they come first in the result.
    """
    dimensions = (((contract[0],), (contract[1],)), (tuple(batch), tuple(batch)))
    precision = lax.Precision.HIGHEST if a.dtype == jnp.float32 else lax.Precision.DEFAULT
    return lax.dot_general(a, b, dimensions, precision=precision, preferred_element_type=jnp.float32)
