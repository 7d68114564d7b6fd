"""Bilinear resizing of images.

Reads each source plane once and writes 4 bytes an output (float32), seven operations each. Which two source rows and
columns an output mixes, and by how much, is the same for every plane: four short tables, computed once. Two passes a
row: the two source rows are mixed first, contiguous and vectorised, into a row that stays in the first-level cache;
then the columns are gathered from it. That makes the vertical mix cost width, not out_width, operations.
"""

from __future__ import annotations

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._math import f32
from kparity_cpu_ref.kernels._numba import njit, prange


@njit(parallel=True, fastmath={"contract"})
def _bilinear(x, low_r, high_r, part_r, low_c, high_c, part_c, y):
    planes, _, width = x.shape
    for p in prange(planes):
        mixed = np.empty(width, f32)
        for i in range(part_r.size):
            upper, lower, part = x[p, low_r[i]], x[p, high_r[i]], part_r[i]
            for c in range(width):
                mixed[c] = upper[c] * (f32(1.0) - part) + lower[c] * part
            for j in range(part_c.size):
                y[p, i, j] = mixed[low_c[j]] * (f32(1.0) - part_c[j]) + mixed[high_c[j]] * part_c[j]


def _sources(length: int, out_length: int, align_corners: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower neighbour, upper neighbour and the upper one's weight for every output along one axis."""
    place = np.arange(out_length, dtype=np.float64)
    if align_corners:
        source = place * ((length - 1) / max(out_length - 1, 1))
    else:
        source = np.maximum((place + 0.5) * (length / out_length) - 0.5, 0)
    low = np.minimum(source.astype(np.int64), length - 1)
    return low, np.minimum(low + 1, length - 1), (source - low).astype(np.float32)


def bilinear(x: np.ndarray, out_height: int = 2, out_width: int = 2, align_corners: bool = False) -> np.ndarray:
    """Bilinear interpolation, NCHW, to `out_height` x `out_width`."""
    batch, channels, height, width = x.shape
    y = np.empty((batch * channels, out_height, out_width), np.float32)
    rows = _sources(height, out_height, align_corners)
    columns = _sources(width, out_width, align_corners)
    _bilinear(widen(x).reshape(-1, height, width), *rows, *columns, y)
    return narrow(y, x.dtype).reshape(batch, channels, out_height, out_width)
