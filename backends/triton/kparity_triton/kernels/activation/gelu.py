"""GELU, y = x * Phi(x), element by element.

Bytes: n elements in, n out. Operations: about 25 an element, of which two (exponential, reciprocal) run on the
special function units. A GPU does some 17 float32 operations in the time in which it moves one byte, so memory is the
limit.
Tiling: blocks of 2048 consecutive elements for 128 threads. Sixteen elements a thread are two (16 bits) or four
(float32) loads of 16 bytes, all issued before the first result is needed.

The tanh form is 1 + tanh(u) = 2 / (1 + exp(-2 u)): no cancellation for negative u, and an overflowing exponential
gives the right limit, zero.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._normal import normal_cdf
from kparity_triton.kernels._tiles import narrow

BLOCK = 2048


@triton.jit
def _gelu(x, y, n, TANH: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n, other=0.0).to(tl.float32)
    if TANH:
        u = 0.7978845608028654 * (v + 0.044715 * v * v * v)
        result = v / (1.0 + tl.exp(-2.0 * u))
    else:
        result = v * normal_cdf(v)
    tl.store(y + i, narrow(result, y.dtype.element_ty), mask=i < n)


def gelu(x: torch.Tensor, approximate: str = "none") -> torch.Tensor:
    """GELU of a vector: exact, or with `approximate="tanh"`."""
    y = torch.empty_like(x)
    n = x.numel()
    _gelu[(triton.cdiv(n, BLOCK),)](x, y, n, TANH=approximate == "tanh", BLOCK=BLOCK, num_warps=4)
    return y
