"""Cross entropy of each row against a class index.

Bytes: the logits are read once; 8 bytes a row go in and out besides. Operations: about 5 an element, one of them an
exponential; memory is the limit.
Tiling: a program walks its row (or rows, where there are few classes) in chunks of up to 4096 classes, carrying the
maximum so far and, lane by lane, the sum of exponentials relative to it and the sum of logits: one read however many
classes there are, and one reduction of each sum at the end. The next two chunks are on their way to shared memory
(`num_stages=3`) while one is worked on, so loads never wait for the reduction that finds its maximum.

All terms are taken relative to the maximum, so large logits cancel before they are rounded.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._rows import row_tile


@triton.jit
def _cross_entropy(
    logits, targets, loss, rows, classes, ignore_index, smoothing, ROWS: tl.constexpr, COLS: tl.constexpr
):
    row = tl.minimum(tl.program_id(0) * ROWS + tl.arange(0, ROWS), rows - 1)  # past the end: the last row again
    logits += row.to(tl.int64) * classes
    top = tl.full((ROWS,), -3.4028234663852886e38, tl.float32)  # not -inf: exp(-inf - -inf) is NaN
    exponentials = tl.zeros((ROWS, COLS), tl.float32)
    plain = tl.zeros((ROWS, COLS), tl.float32)
    for start in tl.range(0, classes, COLS, num_stages=3):
        col = start + tl.arange(0, COLS)
        inside = (col < classes)[None, :]
        v = tl.load(logits[:, None] + col[None, :], mask=inside, other=float("-inf")).to(tl.float32)
        higher = tl.maximum(top, tl.max(v, axis=1))
        exponentials = exponentials * tl.exp(top - higher)[:, None] + tl.exp(v - higher[:, None])
        plain += tl.where(inside, v, 0.0)
        top = higher
    target = tl.load(targets + row)
    kept = target != ignore_index
    picked = tl.load(logits + target, mask=kept, other=0.0).to(tl.float32) - top
    mean = tl.sum(plain, axis=1) / classes - top
    result = tl.log(tl.sum(exponentials, axis=1)) - (1.0 - smoothing) * picked
    result = tl.where(smoothing > 0.0, result - smoothing * mean, result)  # 0 * -inf is NaN
    tl.store(loss + row, tl.where(kept, result, 0.0))


def cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, ignore_index: int = -100, label_smoothing: float = 0.0
) -> torch.Tensor:
    """Cross entropy of each row, in float32; 0 where the target is `ignore_index`."""
    rows, classes = logits.shape
    loss = torch.empty((rows,), dtype=torch.float32, device=logits.device)
    tile = row_tile(classes, widest=4096)
    grid = (triton.cdiv(rows, tile["ROWS"]),)
    _cross_entropy[grid](logits, targets, loss, rows, classes, ignore_index, float(label_smoothing), **tile)
    return loss
