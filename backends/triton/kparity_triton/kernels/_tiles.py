"""What the matrix kernels share: tiles in and out of memory, the product of two tiles, and the order of programs.

A matrix product is read as tiles that fit an SM's shared memory: an output tile of M x N elements takes (M + N) * K
elements in for M * N * K multiply-adds, so large tiles are what keeps the tensor cores fed. On NVIDIA's Hopper and
later one thread asks the tensor memory accelerator (TMA) for a whole tile, which saves the registers and instructions
of an address for each 16 bytes; it takes row-major arrays whose rows start at multiples of 16 bytes. Everything else
goes through masked pointers. Both are the same kernel, told apart by what it is handed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

if TYPE_CHECKING:
    import torch

INTERPRETED = tl.constexpr(triton.knobs.runtime.interpret)
"""True in Triton's interpreter. Its bfloat16 has two traps: `dot` multiplies bit patterns, and narrowing truncates."""

_GPU_FULL = 132
"""Tiles that occupy every SM of an H100."""

_TILES = {
    2: ((128, 256, 64, 8, 4), (128, 128, 64, 8, 3), (128, 64, 64, 4, 4), (64, 64, 64, 4, 4)),
    4: ((64, 128, 16, 4, 3), (64, 64, 32, 4, 3)),
}
"""By bytes an element, largest first: rows, columns and depth of a tile, warps, stages of the load pipeline."""


def matmul_tiles(rows: int, columns: int, itemsize: int) -> dict[str, int]:
    """Launch parameters for an output of `rows` x `columns`: the largest tiles of which there are enough for a GPU."""
    tiles = _TILES[itemsize]
    enough = (tile for tile in tiles if triton.cdiv(rows, tile[0]) * triton.cdiv(columns, tile[1]) >= _GPU_FULL)
    m, n, k, warps, stages = next(enough, tiles[-1])
    n = min(n, max(16, triton.next_power_of_2(columns)))
    m = min(m * (2 if n == 16 else 1), max(16, triton.next_power_of_2(rows)))
    return {"BLOCK_M": m, "BLOCK_N": n, "BLOCK_K": k, "num_warps": warps, "num_stages": stages}


def descriptor(array: torch.Tensor, block: list[int]) -> TensorDescriptor:
    """A TMA descriptor of a contiguous array, read in boxes of shape `block`."""
    return TensorDescriptor.from_tensor(array, block)


def tma_readable(*arrays: torch.Tensor) -> bool:
    """Whether the rows of these contiguous arrays are 16-bit elements that start at multiples of 16 bytes."""
    return all(
        array.element_size() == 2 and array.shape[-1] % 8 == 0 and array.data_ptr() % 16 == 0 for array in arrays
    )


def matmul_operands(a: torch.Tensor, b: torch.Tensor, config: dict[str, int]) -> dict[str, Any]:
    """The keyword arguments `a`, `b` and `TMA` of a kernel that calls `product`."""
    if not tma_readable(a, b):
        return {"a": a, "b": b, "TMA": False}
    rows, columns, depth = config["BLOCK_M"], config["BLOCK_N"], config["BLOCK_K"]
    return {"a": descriptor(a, [rows, depth]), "b": descriptor(b, [depth, columns]), "TMA": True}


def transposed(x: torch.Tensor) -> torch.Tensor:
    """A copy of x[batch, rows, columns] as [batch, columns, rows]."""
    batch, rows, columns = x.shape
    out = x.new_empty(batch, columns, rows)
    block_r, block_c = (min(64, max(16, triton.next_power_of_2(length))) for length in (rows, columns))
    grid = (batch * triton.cdiv(rows, block_r) * triton.cdiv(columns, block_c),)
    _transpose[grid](x, out, rows, columns, BLOCK_R=block_r, BLOCK_C=block_c)
    return out


@triton.jit
def _transpose(x, out, rows, columns, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr):
    across = tl.cdiv(columns, BLOCK_C)
    matrix = tl.program_id(0) // (tl.cdiv(rows, BLOCK_R) * across)
    row = tl.program_id(0) // across % tl.cdiv(rows, BLOCK_R) * BLOCK_R
    column = tl.program_id(0) % across * BLOCK_C
    start = matrix.to(tl.int64) * rows * columns
    tile = load_tile(x + start, row, column, rows, columns, BLOCK_R, BLOCK_C, False)
    store_tile(out + start, tile.T, column, row, columns, rows, BLOCK_C, BLOCK_R)


@triton.jit
def grouped(program, rows, columns, GROUP: tl.constexpr):
    """Tile (row, column) of a linear program number, `GROUP` tile rows at a time.

    The programs that run at once then cover a block of the output about as high as wide, and what they read of both
    operands stays in the L2 cache.
    """
    first = program // (GROUP * columns) * GROUP
    height = min(rows - first, GROUP)
    inside = program % (GROUP * columns)
    return first + inside % height, inside // height


@triton.jit
def load_tile(source, row, column, rows, columns, R: tl.constexpr, C: tl.constexpr, TMA: tl.constexpr):
    """The R x C tile at (row, column) of a row-major matrix, zero outside it."""
    if TMA:
        tile = source.load([row, column])
    else:
        r = row + tl.arange(0, R)
        c = column + tl.arange(0, C)
        inside = (r < rows)[:, None] & (c < columns)[None, :]
        tile = tl.load(source + r.to(tl.int64)[:, None] * columns + c[None, :], mask=inside, other=0.0)
    return tile


@triton.jit
def store_tile(target, tile, row, column, rows, columns, R: tl.constexpr, C: tl.constexpr):
    """Write the part of an R x C tile that lies inside a row-major matrix, rounded to its dtype."""
    r = row + tl.arange(0, R)
    c = column + tl.arange(0, C)
    inside = (r < rows)[:, None] & (c < columns)[None, :]
    tile = narrow(tile, target.dtype.element_ty)
    tl.store(target + r.to(tl.int64)[:, None] * columns + c[None, :], tile, mask=inside)


@triton.jit
def narrow(x, dtype: tl.constexpr):
    """x rounded to `dtype`, to nearest even."""
    if INTERPRETED and dtype == tl.bfloat16 and x.dtype == tl.float32:
        bits = x.to(tl.uint32, bitcast=True)
        x = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).to(tl.float32, bitcast=True)
    return x.to(dtype)


@triton.jit
def dot(a, b, acc, PRECISION: tl.constexpr):
    """acc + a b with float32 accumulation; `PRECISION` is that of float32 operands."""
    if INTERPRETED:
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, acc, input_precision=PRECISION)


@triton.jit
def product(
    a, b, row, column, m, n, k,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, TMA: tl.constexpr,
):  # fmt: skip
    """The float32 tile at (row, column) of a b, where a is m x k and b is k x n."""
    acc = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for depth in range(0, k, BLOCK_K):
        left = load_tile(a, row, depth, m, k, BLOCK_M, BLOCK_K, TMA)
        right = load_tile(b, depth, column, k, n, BLOCK_K, BLOCK_N, TMA)
        acc = dot(left, right, acc, "ieee")
    return acc
