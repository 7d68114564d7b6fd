"""Matrix product, bias and exact GELU: c = z * Phi(z), z = a b + bias.

Bytes: a, b, bias in, c out. Operations: 2 m n k in the matrix units and some thirty vector operations for each of m n
outputs. XLA runs the product as a kernel of its own and everything behind it as one fusion, so z travels to memory and
back once in float32; a kernel that applies the GELU to its accumulator saves that trip (see `kparity_jax.pallas`).
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax

from kparity_jax.kernels._dot import dot


def matmul_bias_gelu(a: jax.Array, b: jax.Array, bias: jax.Array) -> jax.Array:
    """z * Phi(z) with z = a b + bias, in float32 up to one rounding at the end."""
    z = dot(a, b, contract=(1, 0)) + bias.astype(jnp.float32)
    return (0.5 * z * lax.erfc(-z * math.sqrt(0.5))).astype(a.dtype)
