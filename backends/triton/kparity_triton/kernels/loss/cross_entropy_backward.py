"""The gradient of cross entropy of each row against a class index: softmax less the (smoothed) target.

Bytes: the logits once in, their gradient once out; 8 bytes a row go in besides. Operations: about 7 an element, one of
them an exponential; memory is the limit.
Tiling: a program walks its row (or rows, where there are few classes) in chunks of up to 4096 classes, twice: first for
the maximum and the sum of exponentials relative to it, then backwards for the result. What the second walk reads is
still in the L2 cache, so that memory sees one read however many classes there are.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._rows import row_tile
from kparity_triton.kernels._tiles import narrow


@triton.jit
def _cross_entropy_backward(
    logits, targets, dloss, dlogits, rows, classes, ignore_index, smoothing, ROWS: tl.constexpr, COLS: tl.constexpr
):
    row = tl.minimum(tl.program_id(0) * ROWS + tl.arange(0, ROWS), rows - 1)  # past the end: the last row again
    logits += row.to(tl.int64) * classes
    dlogits += row.to(tl.int64) * classes
    top = tl.full((ROWS,), -3.4028234663852886e38, tl.float32)  # not -inf: exp(-inf - -inf) is NaN
    exponentials = tl.zeros((ROWS, COLS), tl.float32)
    for start in tl.range(0, classes, COLS, num_stages=3):
        col = start + tl.arange(0, COLS)
        v = tl.load(logits[:, None] + col[None, :], mask=(col < classes)[None, :], other=float("-inf")).to(tl.float32)
        higher = tl.maximum(top, tl.max(v, axis=1))
        exponentials = exponentials * tl.exp(top - higher)[:, None] + tl.exp(v - higher[:, None])
        top = higher
    total = tl.sum(exponentials, axis=1)
    target = tl.load(targets + row)
    weight = tl.load(dloss + row)
    kept = target != ignore_index
    chunks = tl.cdiv(classes, COLS)
    for done in range(chunks):
        col = (chunks - 1 - done) * COLS + tl.arange(0, COLS)
        inside = (col < classes)[None, :]
        v = tl.load(logits[:, None] + col[None, :], mask=inside, other=float("-inf")).to(tl.float32)
        gradient = tl.exp(v - top[:, None]) / total[:, None]
        gradient = tl.where(col[None, :] == target[:, None], gradient - (1.0 - smoothing), gradient)
        gradient = (gradient - smoothing / classes) * weight[:, None]
        gradient = tl.where(kept[:, None], gradient, 0.0)
        tl.store(dlogits[:, None] + col[None, :], narrow(gradient, dlogits.dtype.element_ty), mask=inside)


def cross_entropy_backward(
    logits: torch.Tensor,
    targets: torch.Tensor,
    dloss: torch.Tensor,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """dlogits of the loss of each row; 0 where the target is `ignore_index`."""
    rows, classes = logits.shape
    dlogits = torch.empty_like(logits)
    tile = row_tile(classes, widest=4096)
    _cross_entropy_backward[(triton.cdiv(rows, tile["ROWS"]),)](
        logits, targets, dloss, dlogits, rows, classes, ignore_index, float(label_smoothing), **tile
    )
    return dlogits
