"""Embedding lookup: a gather of rows.

Every row is read once and written once and nothing is computed, so the dtype does not matter: rows are bytes, and one
compiled kernel copies them all. A row is one contiguous copy, which the compiler turns into a call of memcpy; the rows
themselves lie at random, so many cores in flight hide the latency of finding them.
"""

from __future__ import annotations

import numpy as np

from kparity_cpu_ref.kernels._numba import njit, prange


@njit(parallel=True)
def _gather(table, indices, rows):
    for t in prange(indices.size):
        source = indices[t]
        for b in range(table.shape[1]):
            rows[t, b] = table[source, b]


def embedding(table: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """rows[t, :] = table[indices[t], :]."""
    rows = np.empty((indices.size, table.shape[1]), table.dtype)
    _gather(table.view(np.uint8), indices, rows.view(np.uint8))
    return rows
