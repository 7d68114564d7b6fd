"""Matrix product, c = a b.

Bytes: both matrices in, one out; operations: 2 m n k, so for square matrices of a few thousand the tensor cores decide.
XLA hands it to the vendor's library or to a tile of its own, whichever its autotuner measures to be faster.

float16 and bfloat16 operands go to the tensor cores as they are, with a float32 accumulator, rounded once at the end.
float32 asks for HIGHEST: the default on NVIDIA GPUs is TF32, ten bits of mantissa.
"""

from __future__ import annotations

import jax

from kparity_jax.kernels._dot import dot


def matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    """c[i, j] = sum_k a[i, k] * b[k, j], accumulated in float32."""
    return dot(a, b, contract=(1, 0)).astype(a.dtype)
