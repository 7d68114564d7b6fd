"""Matrix product c = a b of row-major matrices, float32 accumulation.

Reads m k + k n elements, writes m n, 2 m n k operations: from a few hundred rows on the arithmetic is what takes the
time. One program computes one output tile and walks along k, the next tiles in flight while the current ones are
multiplied. 16-bit tiles of 128 x 256 x 64 are the largest whose accumulators (128 registers a thread with 8 warps)
leave room for the rest, and 4 stages of them (192 KB) fit shared memory; the tensor cores then get 85 multiply-adds
for each element loaded. float32 runs on the FMA units, without TF32: there registers are scarce, since each thread
holds its operands too. 64 x 128 x 16 with 4 warps gives a thread 16 x 4 accumulators and lets several programs share
an SM, so that one computes while another waits at a barrier. Small outputs get smaller tiles, so that every SM has
one.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._tiles import grouped, matmul_operands, matmul_tiles, product, store_tile


def matmul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Matrix product: a[m, k], b[k, n] -> c[m, n], all of one dtype and contiguous."""
    (m, k), n = a.shape, b.shape[1]
    c = a.new_empty(m, n)
    config = matmul_tiles(m, n, a.element_size())
    grid = (triton.cdiv(m, config["BLOCK_M"]) * triton.cdiv(n, config["BLOCK_N"]),)
    _matmul[grid](c=c, m=m, n=n, k=k, **matmul_operands(a, b, config), **config)
    return c


@triton.jit
def _matmul(
    a, b, c, m, n, k,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, TMA: tl.constexpr,
):  # fmt: skip
    i, j = grouped(tl.program_id(0), tl.cdiv(m, BLOCK_M), tl.cdiv(n, BLOCK_N), 8)
    row, column = i * BLOCK_M, j * BLOCK_N
    tile = product(a, b, row, column, m, n, k, BLOCK_M, BLOCK_N, BLOCK_K, TMA)
    store_tile(c, tile, row, column, m, n, BLOCK_M, BLOCK_N)
