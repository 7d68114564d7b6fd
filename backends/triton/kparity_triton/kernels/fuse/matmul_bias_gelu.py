"""Matrix product, bias and exact GELU in one pass: c = z Phi(z) with z = a b + bias.

The bytes and operations of the product alone plus n elements of bias: on its own the activation would read and write
all of c again. Here it is applied to the float32 accumulators before their only rounding. The tiling is that of
`matmul/matmul.py`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._normal import normal_cdf
from kparity_triton.kernels._tiles import grouped, matmul_operands, matmul_tiles, product, store_tile


def matmul_bias_gelu(a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """gelu(a b + bias): a[m, k], b[k, n], bias[n] -> c[m, n], all of one dtype and contiguous."""
    (m, k), n = a.shape, b.shape[1]
    c = a.new_empty(m, n)
    config = matmul_tiles(m, n, a.element_size())
    grid = (triton.cdiv(m, config["BLOCK_M"]) * triton.cdiv(n, config["BLOCK_N"]),)
    _matmul_bias_gelu[grid](bias=bias, c=c, m=m, n=n, k=k, **matmul_operands(a, b, config), **config)
    return c


@triton.jit
def _matmul_bias_gelu(
    a, b, bias, c, m, n, k,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, TMA: tl.constexpr,
):  # fmt: skip
    i, j = grouped(tl.program_id(0), tl.cdiv(m, BLOCK_M), tl.cdiv(n, BLOCK_N), 8)
    row, column = i * BLOCK_M, j * BLOCK_N
    z = product(a, b, row, column, m, n, k, BLOCK_M, BLOCK_N, BLOCK_K, TMA)
    columns = column + tl.arange(0, BLOCK_N)
    z += tl.load(bias + columns, mask=columns < n, other=0.0).to(tl.float32)[None, :]
    store_tile(c, z * normal_cdf(z), row, column, m, n, BLOCK_M, BLOCK_N)
