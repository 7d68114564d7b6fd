"""The gradient of cross entropy over class indices: softmax less the (smoothed) target.

Traffic: every logit is read once from memory and its gradient written once, 2 * rows * classes * sizeof(T) bytes; eight
bytes a row come in besides. The log-sum-exp is computed online, as a sum of exponentials below a running maximum; then
the row is read again, out of the L2 cache, for the result. Rows of a vocabulary take a block of 256 threads each; few
classes share a warp between rows. Rows that are ignored are only written.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import streaming

BATCH = 4


@cuda_kernel("cross_entropy_backward.cu")
def cross_entropy_backward(
    launch: Launcher,
    logits: Any,
    targets: Any,
    dloss: Any,
    dlogits: Any,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> None:
    """dlogits of the loss of each row; 0 where its target is `ignore_index`."""
    g = streaming(logits)
    args = (logits, targets, dloss, dlogits, *logits.shape, ignore_index, float(label_smoothing))
    launch(f"cross_entropy_backward_rows<T, {g.vector}, {g.group}, {BATCH}>", g.grid, g.block, args)
