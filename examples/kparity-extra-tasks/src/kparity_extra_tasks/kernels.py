"""A kernel for a backend that another package brings."""

from __future__ import annotations

import numpy as np


def moving_average(x: np.ndarray, width: int = 3) -> np.ndarray:
    """Adds shifted rows in float32, so that no window is ever laid out in memory."""
    total = np.zeros(x.shape, np.float32)
    for k in range(min(width, x.shape[1])):
        total[:, k:] += x[:, : x.shape[1] - k].astype(np.float32)
    return (total / np.float32(width)).astype(x.dtype)
