"""Scatter with addition, where indices repeat.

Two updates of one row must not race, and sums are rounded once, so the updates are grouped first: a counting sort,
two sweeps over the indices alone, lists the updates of each row in their order. Then every row has one owner: the
core adds the base and that row's updates in float32 and writes it once. The result does not depend on the number of
cores.
"""

from __future__ import annotations

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._numba import njit, prange


@njit(parallel=True)
def _scatter_add(base, indices, updates, out):
    rows, width = base.shape
    ends = np.zeros(rows + 1, np.int64)
    for i in range(indices.size):
        ends[indices[i] + 1] += 1
    for r in range(rows):
        ends[r + 1] += ends[r]
    order = np.empty(indices.size, np.int64)
    for i in range(indices.size):
        order[ends[indices[i]]] = i
        ends[indices[i]] += 1
    for r in prange(rows):
        out[r] = base[r]
        for place in range(ends[r - 1] if r > 0 else 0, ends[r]):
            update = order[place]
            for c in range(width):
                out[r, c] += updates[update, c]


def scatter_add(base: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    """base with updates[i, :] added to row indices[i], for every i."""
    wide = widen(base)
    out = np.empty_like(wide)
    _scatter_add(wide, indices, widen(updates), out)
    return narrow(out, base.dtype)
