"""Cross entropy over class indices."""

import numpy as np

from kparity import edge, integers, kernel_spec, perf, tensor, typical
from kparity_tasks.dtypes import FLOATS


def _ignores_nothing(logits, targets, ignore_index=-100, label_smoothing=0.0):
    """Wrong: rows to be ignored have a loss, that of class 0."""
    return cross_entropy.reference(logits, np.where(targets == ignore_index, 0, targets), ignore_index, label_smoothing)


def _smooths_twice(logits, targets, ignore_index=-100, label_smoothing=0.0):
    """Wrong: smoothing also takes from the class itself what it gives to the others."""
    classes = logits.shape[1]
    factor = classes / max(classes - 1, 1)
    return cross_entropy.reference(logits, targets, ignore_index, label_smoothing * factor)


@kernel_spec(
    "loss/cross_entropy",
    inputs={
        "logits": "rows classes : T",
        "targets": tensor("rows : int32", integers(0, "classes", special=-100)),
    },
    outputs={"loss": "rows : float32"},
    dtypes={"T": FLOATS},
    cases=[
        edge(rows=1, classes=1),
        edge(rows=3, classes=1023),
        edge(rows=127, classes=10, label_smoothing=0.1),
        edge(rows=65537, classes=8),
        typical(rows=64, classes=4096),
        typical(rows=64, classes=4096, label_smoothing=0.1),
        perf(rows=4096, classes=32000, label_smoothing=0.1),
    ],
    mutants=[_ignores_nothing, _smooths_twice],
    axes={"rows": range(1, 1025), "classes": range(1, 4097), "label_smoothing": (0.0, 0.1, 0.3)},
    flops="5 * rows * classes",
    independent="rows",
)
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0):
    """Loss of each row, in float32: loss[r] = lse[r] - (1 - s) * logits[r, targets[r]] - s * mean_c logits[r, c].

    lse[r] = log sum_c exp(logits[r, c]) and s = label_smoothing. Rows whose target is ignore_index give 0. Same as
    `torch.nn.functional.cross_entropy(..., reduction="none")` on float32 logits.
    """
    rows = np.arange(logits.shape[0])
    kept = targets != ignore_index
    top = np.max(logits, axis=-1, keepdims=True)
    shifted = logits - top
    lse = np.log(np.sum(np.exp(shifted), axis=-1))
    picked = shifted[rows, np.where(kept, targets, 0)]
    smooth = logits.dtype.type(label_smoothing)
    loss = lse - (1 - smooth) * picked
    if label_smoothing:
        loss = loss - smooth * np.mean(shifted, axis=-1)
    return np.where(kept, loss, loss.dtype.type(0))
