"""Two-dimensional max pooling with indices.

Bytes: x once in, y and int32 indices once out. Operations: one comparison for each window element. Written as a
running maximum over the kernel^2 shifted views of the padded image: slices and padding are index arithmetic to XLA,
so all of it becomes one loop fusion in which a thread walks its window; overlapping windows find their neighbours'
reads in cache. A strict comparison in row-major order lets the first of equal values win.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax


def max_pool2d(x: jax.Array, kernel: int = 2, stride: int = 2, padding: int = 0) -> tuple[jax.Array, jax.Array]:
    """(largest value of each window, its place row * width + column in the unpadded plane)."""
    height, width = x.shape[2:]
    out_h = (height + 2 * padding - kernel) // stride + 1
    out_w = (width + 2 * padding - kernel) // stride + 1
    lowest = jnp.array(-jnp.inf, x.dtype)
    padded = lax.pad(x, lowest, ((0, 0, 0), (0, 0, 0), (padding, padding, 0), (padding, padding, 0)))
    corner = (jnp.arange(out_h, dtype=jnp.int32)[:, None] * width + jnp.arange(out_w, dtype=jnp.int32)) * stride
    y = jnp.full((*x.shape[:2], out_h, out_w), lowest)
    indices = jnp.zeros(y.shape, jnp.int32)
    for u in range(kernel):
        for v in range(kernel):
            last = (*x.shape[:2], u + (out_h - 1) * stride + 1, v + (out_w - 1) * stride + 1)
            window = lax.slice(padded, (0, 0, u, v), last, (1, 1, stride, stride))
            larger = window > y
            y = jnp.where(larger, window, y)
            indices = jnp.where(larger, corner + ((u - padding) * width + v - padding), indices)
    return y, indices
