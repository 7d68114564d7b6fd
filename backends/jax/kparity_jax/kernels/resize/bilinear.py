"""Bilinear resizing, NCHW.

Bytes: x once in, y once out; each source pixel is read several times, but from cache. Operations: three interpolations
for each output. Where an output row or column reads, and with which weight, depends on shapes only: it is worked out in
double precision while tracing and compiled in as four short vectors. The four corners are then gathered and blended in
one fusion.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np


def bilinear(x: jax.Array, out_height: int = 2, out_width: int = 2, align_corners: bool = False) -> jax.Array:
    """Interpolate between the four nearest pixels, in float32."""
    above, below, part_r = _source(x.shape[2], out_height, align_corners)
    left, right, part_c = _source(x.shape[3], out_width, align_corners)
    part_r = part_r[:, None]

    def corner(rows: np.ndarray, columns: np.ndarray) -> jax.Array:
        return x.at[:, :, rows[:, None], columns].get(mode="promise_in_bounds").astype(jnp.float32)

    top = corner(above, left) * (1 - part_c) + corner(above, right) * part_c
    bottom = corner(below, left) * (1 - part_c) + corner(below, right) * part_c
    return (top * (1 - part_r) + bottom * part_r).astype(x.dtype)


def _source(length: int, out_length: int, align_corners: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each output place: the source place at or before it, the one after, and the weight of the latter."""
    place = np.arange(out_length)
    if align_corners:
        source = place * ((length - 1) / max(out_length - 1, 1))
    else:
        source = np.maximum((place + 0.5) * (length / out_length) - 0.5, 0)
    low = np.minimum(source.astype(np.int32), length - 1)
    return low, np.minimum(low + 1, length - 1), (source - low).astype(np.float32)
