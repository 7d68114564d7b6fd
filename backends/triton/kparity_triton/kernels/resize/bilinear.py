"""Bilinear resizing of images.

Bytes: every input is read once, every output written once; enlarging, the outputs dominate. Operations: 7 an output,
but also its places and weights, four loads and their addresses: with 16-bit elements, instructions are as scarce as
bytes.
Tiling: a program takes a run of 128 outputs, one a thread, of up to eight parts of the batch, and works out places
and weights once for all of these. The four sources of neighbouring outputs are neighbours or the same: most loads hit
the L1 cache.

Output i reads source (i + shift) * scale - shift, shift being 0 with aligned corners and 1/2 without.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._planes import BLOCK, outputs, parts_of
from kparity_triton.kernels._tiles import narrow


@triton.jit
def _source(i, scale, shift, length):
    """Lower and upper neighbour of output i along an axis, and the weight of the upper one."""
    place = tl.maximum((i.to(tl.float32) + shift) * scale - shift, 0.0)
    low = tl.minimum(place.to(tl.int32), length - 1)
    return low, tl.minimum(low + 1, length - 1), place - low.to(tl.float32)


@triton.jit
def _bilinear(
    x, y, parts, part_inputs, part_outputs, height, width, out_h, out_w, scale_h, scale_w, shift, BLOCK: tl.constexpr
):
    target, plane, row, column = outputs(out_h, out_w, BLOCK)
    inside = target < part_outputs
    top, bottom, down = _source(row, scale_h, shift, height)
    left, right, over = _source(column, scale_w, shift, width)
    image = x + plane * (height * width)
    for _ in range(parts):
        a = tl.load(image + (top * width + left), mask=inside).to(tl.float32)
        b = tl.load(image + (top * width + right), mask=inside).to(tl.float32)
        c = tl.load(image + (bottom * width + left), mask=inside).to(tl.float32)
        d = tl.load(image + (bottom * width + right), mask=inside).to(tl.float32)
        above = a * (1.0 - over) + b * over
        below = c * (1.0 - over) + d * over
        result = above * (1.0 - down) + below * down
        tl.store(y + target, narrow(result, y.dtype.element_ty), mask=inside)
        image += part_inputs
        y += part_outputs


def bilinear(x: torch.Tensor, out_height: int = 2, out_width: int = 2, align_corners: bool = False) -> torch.Tensor:
    """Bilinear interpolation to out_height x out_width, NCHW."""
    batch, channels, height, width = x.shape
    y = torch.empty((batch, channels, out_height, out_width), dtype=x.dtype, device=x.device)
    if align_corners:
        scales = (height - 1) / max(out_height - 1, 1), (width - 1) / max(out_width - 1, 1)
    else:
        scales = height / out_height, width / out_width
    shift = 0.0 if align_corners else 0.5
    parts = parts_of(batch * channels)
    _bilinear[(triton.cdiv(y.numel() // parts, BLOCK),)](
        x, y, parts, x.numel() // parts, y.numel() // parts, height, width, out_height, out_width, *scales, shift,
        BLOCK=BLOCK, num_warps=4,
    )  # fmt: skip
    return y
