"""The task: a decorated NumPy function is its specification."""

from __future__ import annotations

import numpy as np
from kparity import edge, kernel_spec, typical


@kernel_spec(
    "signal/moving_average",
    inputs={"x": "rows cols : T"},
    outputs={"y": "rows cols : T"},
    dtypes={"T": ("float32", "float16", "bfloat16")},
    cases=[
        edge(rows=1, cols=1),
        edge(rows=3, cols=1023, width=7),
        edge(rows=4097, cols=5),
        typical(rows=64, cols=4096, width=16),
    ],
    flops="rows * cols * width",
    independent="rows",
)
def moving_average(x: np.ndarray, width: int = 3) -> np.ndarray:
    """Mean of each element and the `width - 1` before it: y[r, c] = sum_k x[r, c - k] / width, 0 <= k < width.

    What stands before the first element counts as zero.
    """
    padded = np.concatenate([np.zeros((x.shape[0], width - 1), x.dtype), x], axis=-1)
    windows = np.stack([padded[:, k : k + x.shape[1]] for k in range(width)], axis=-1)
    return np.asarray(np.sum(windows, axis=-1) / x.dtype.type(width))
