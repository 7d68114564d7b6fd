"""Cross entropy over class indices.

Traffic: every logit is read once; four bytes a row come in and go out besides. The log-sum-exp is computed online, as
a sum of exponentials below a running maximum, together with the plain sum that label smoothing needs, so one pass
suffices for any number of classes. Rows of a vocabulary take a block of 256 threads each; few classes share a warp
between rows.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import streaming

BATCH = 4


@cuda_kernel("cross_entropy.cu")
def cross_entropy(
    launch: Launcher, logits: Any, targets: Any, loss: Any, ignore_index: int = -100, label_smoothing: float = 0.0
) -> None:
    """Loss of each row; 0 where its target is `ignore_index`."""
    g = streaming(logits)
    args = (logits, targets, loss, *logits.shape, ignore_index, float(label_smoothing))
    launch(f"cross_entropy_rows<T, {g.vector}, {g.group}, {BATCH}>", g.grid, g.block, args)
