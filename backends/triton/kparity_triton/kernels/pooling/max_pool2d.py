"""Max pooling over square windows, with the place of each maximum.

Bytes: every input is read once, a value and a four-byte index are written for each output. Operations: kernel^2
comparisons an output; a load, its address, a comparison and two selections each make instructions nearly as scarce as
bytes where elements have 16 bits.
Tiling: a program takes a run of 128 outputs, one a thread, of up to eight parts of the batch. The windows of
neighbouring outputs overlap and their rows are neighbours, so most of the kernel^2 loads hit a cache, and each input
comes from memory about once. The window is unrolled and walked in row-major order; only a strictly larger value
replaces the best, so the first of equal values wins.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._planes import BLOCK, outputs, parts_of


@triton.jit
def _max_pool2d(
    x, y, indices, parts, part_inputs, part_outputs, height, width, out_h, out_w,
    KERNEL: tl.constexpr, STRIDE: tl.constexpr, PADDING: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    target, plane, row, column = outputs(out_h, out_w, BLOCK)
    inside = target < part_outputs
    row = row * STRIDE - PADDING
    column = column * STRIDE - PADDING
    image = x + plane * (height * width)
    for _ in range(parts):
        best = tl.full((BLOCK,), float("-inf"), tl.float32)
        place = tl.zeros((BLOCK,), tl.int32)
        for u in tl.static_range(KERNEL):
            for v in tl.static_range(KERNEL):
                exists = (row + u >= 0) & (row + u < height) & (column + v >= 0) & (column + v < width)
                source = (row + u) * width + (column + v)
                value = tl.load(image + source, mask=inside & exists, other=float("-inf")).to(tl.float32)
                larger = value > best
                best = tl.where(larger, value, best)
                place = tl.where(larger, source, place)
        tl.store(y + target, best.to(y.dtype.element_ty), mask=inside)
        tl.store(indices + target, place, mask=inside)
        image += part_inputs
        y += part_outputs
        indices += part_outputs


def max_pool2d(
    x: torch.Tensor, kernel: int = 2, stride: int = 2, padding: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Largest value of each window and its row-major place in the unpadded plane, NCHW."""
    batch, channels, height, width = x.shape
    out_h = (height + 2 * padding - kernel) // stride + 1
    out_w = (width + 2 * padding - kernel) // stride + 1
    y = torch.empty((batch, channels, out_h, out_w), dtype=x.dtype, device=x.device)
    indices = torch.empty_like(y, dtype=torch.int32)
    parts = parts_of(batch * channels)
    _max_pool2d[(triton.cdiv(y.numel() // parts, BLOCK),)](
        x, y, indices, parts, x.numel() // parts, y.numel() // parts, height, width, out_h, out_w,
        KERNEL=kernel, STRIDE=stride, PADDING=padding, BLOCK=BLOCK, num_warps=4,
    )  # fmt: skip
    return y, indices
