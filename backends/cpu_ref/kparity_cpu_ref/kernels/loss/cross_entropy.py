"""Cross entropy over class indices.

Reads 4 bytes a logit (float32), writes one number a row. The first sweep over a row finds the maximum, the second
sums the exponentials and, for label smoothing, the shifted logits themselves: both sums from one read, in cache.
Everything is relative to the maximum, so that large logits cost no digits. Ignored rows are not read at all.
"""

from __future__ import annotations

import math

import numpy as np

from kparity_cpu_ref.kernels._floats import widen
from kparity_cpu_ref.kernels._math import exp, f32, row_max
from kparity_cpu_ref.kernels._numba import njit, prange


@njit(parallel=True, fastmath={"reassoc", "contract"})
def _cross_entropy(logits, targets, loss, ignore_index, smooth):
    rows, classes = logits.shape
    for r in prange(rows):
        if targets[r] == ignore_index:
            loss[r] = f32(0.0)
            continue
        top = row_max(logits[r])
        exponentials = f32(0.0)
        plain = f32(0.0)
        for c in range(classes):
            shifted = logits[r, c] - top
            exponentials += exp(shifted)
            plain += shifted
        loss[r] = math.log(exponentials) - (f32(1.0) - smooth) * (logits[r, targets[r]] - top)
        if smooth != f32(0.0):
            loss[r] -= smooth * (plain / f32(classes))


def cross_entropy(
    logits: np.ndarray, targets: np.ndarray, ignore_index: int = -100, label_smoothing: float = 0.0
) -> np.ndarray:
    """Loss of each row in float32; 0 where the target is `ignore_index`."""
    loss = np.empty(logits.shape[0], np.float32)
    _cross_entropy(widen(logits), targets, loss, ignore_index, np.float32(label_smoothing))
    return loss
