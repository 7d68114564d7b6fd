"""What the image kernels share: which outputs of a batch of planes (one for each image and channel) a program computes.

The planes are dealt into equal parts, and a program takes the same run of outputs of every part, so that rows, columns
and weights, with their divisions, are worked out once for all parts. Within a part, outputs are numbered through all
planes, so small planes fill a program as well as large ones and stores are contiguous. Lanes form one axis only: with
two it would be up to the compiler which of them the threads of a warp follow through a gather.
"""

from __future__ import annotations

import math

import triton
import triton.language as tl

from kparity_triton.kernels._tiles import INTERPRETED

BLOCK = 4096 if INTERPRETED else 128
"""Outputs a program: one a thread, so that a warp gathers neighbours; more where the interpreter pays for programs."""


def parts_of(planes: int) -> int:
    """How many equal parts, at most eight."""
    return math.gcd(planes, 8)


@triton.jit
def outputs(out_h, out_w, BLOCK: tl.constexpr):
    """Number, plane, row and column of this program's outputs; only the first two need 64 bits."""
    start = tl.program_id(0).to(tl.int64) * BLOCK
    lane = tl.arange(0, BLOCK)
    place = (start % (out_h * out_w)).to(tl.int32) + lane
    pixel = place % (out_h * out_w)
    return start + lane, start // (out_h * out_w) + place // (out_h * out_w), pixel // out_w, pixel % out_w
