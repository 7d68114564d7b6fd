"""The gradient of cross entropy over class indices."""

import numpy as np

from kparity import edge, integers, kernel_spec, perf, tensor, typical
from kparity_tasks.dtypes import FLOATS
from kparity_tasks.loss.cross_entropy import cross_entropy


@kernel_spec(
    "loss/cross_entropy_backward",
    gradient_of=cross_entropy,
    inputs={
        "logits": "rows classes : T",
        "targets": tensor("rows : int32", integers(0, "classes", special=-100)),
        "dloss": "rows : float32",
    },
    outputs={"dlogits": "rows classes : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(rows=1, classes=1),
        edge(rows=3, classes=1023),
        edge(rows=127, classes=10, label_smoothing=0.1),
        edge(rows=65537, classes=8),
        typical(rows=32, classes=4096),
        typical(rows=32, classes=4096, label_smoothing=0.1),
        perf(rows=4096, classes=32000, label_smoothing=0.1),
    ],
    flops="7 * rows * classes",
    independent="rows",
)
def cross_entropy_backward(logits, targets, dloss, ignore_index=-100, label_smoothing=0.0):
    """Gradient of the loss of each row: dlogits[r, c] = dloss[r] (p[r, c] - (1 - s) [c = targets[r]] - s / classes).

    p is the softmax of the row, [...] is 1 where the equation holds and 0 elsewhere, and s = label_smoothing. Rows
    whose target is ignore_index give 0.
    """
    rows, classes = logits.shape
    kept = targets != ignore_index
    smooth = logits.dtype.type(label_smoothing)
    e = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    gradient = e / np.sum(e, axis=-1, keepdims=True)
    gradient[np.arange(rows), np.where(kept, targets, 0)] -= 1 - smooth
    if label_smoothing:
        gradient -= smooth / classes
    return np.where(kept[:, None], gradient * dloss[:, None], gradient.dtype.type(0))
