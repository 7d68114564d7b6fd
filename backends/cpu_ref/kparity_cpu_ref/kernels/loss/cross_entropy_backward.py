"""The gradient of cross entropy over class indices.

Reads and writes 4 bytes a logit (float32). A core takes whole rows: the maximum, the exponentials (kept in the output)
with their sum, and the scaling are three sweeps over a row in cache; one more step corrects the target's element. Rows
that are ignored are not read, only set to zero.
"""

from __future__ import annotations

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._math import exp, f32, row_max
from kparity_cpu_ref.kernels._numba import njit, prange


@njit(parallel=True, fastmath={"reassoc", "contract"})
def _cross_entropy_backward(logits, targets, dloss, dlogits, ignore_index, smooth):
    rows, classes = logits.shape
    for r in prange(rows):
        if targets[r] == ignore_index:
            for c in range(classes):
                dlogits[r, c] = f32(0.0)
            continue
        top = row_max(logits[r])
        total = f32(0.0)
        for c in range(classes):
            dlogits[r, c] = exp(logits[r, c] - top)
            total += dlogits[r, c]
        scale = f32(1.0) / total
        floor = smooth / f32(classes)
        picked = (dlogits[r, targets[r]] * scale - (f32(1.0) - smooth) - floor) * dloss[r]
        for c in range(classes):
            dlogits[r, c] = (dlogits[r, c] * scale - floor) * dloss[r]
        dlogits[r, targets[r]] = picked


def cross_entropy_backward(
    logits: np.ndarray, targets: np.ndarray, dloss: np.ndarray, ignore_index: int = -100, label_smoothing: float = 0.0
) -> np.ndarray:
    """dlogits of the loss of each row; 0 where the target is `ignore_index`."""
    wide = widen(logits)
    dlogits = np.empty_like(wide)
    _cross_entropy_backward(wide, targets, dloss, dlogits, ignore_index, np.float32(label_smoothing))
    return narrow(dlogits, logits.dtype)
