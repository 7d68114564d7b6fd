"""Scaled dot-product attention with grouped heads: out = softmax(q k^T / sqrt(head_dim)) v, without the score matrix.

Reads q, k and v and writes out; 4 queries keys head_dim operations for each head, half of that with the causal mask.
At thousands of keys that is hundreds of operations a byte: the scores must never see device memory, and the tensor
cores set the pace. One program keeps a block of queries and walks over the keys in blocks, with the online softmax:
the running row maximum, the sum of exponentials under that maximum, and the output so far, both rescaled when the
maximum grows. Scores are kept in units of log2, so that one fused multiply-add and `exp2` make a weight.

Blocks of keys that every query of the block sees skip the mask, blocks that none sees are skipped whole; what remains,
the diagonal and a ragged tail, goes through a second loop with the mask. Programs with the most keys start first, so
that the short ones fill the gaps at the end. Head widths are padded to a power of two, the padding reads as zeros. The
heads of a group read the same keys and values at about the same time, out of L2.

With 16-bit elements, 128 queries stay in shared memory and 128 keys and values at a time pass through it. float32 has
no tensor cores here (TF32 is ruled out) and a thread's registers hold the operands too, so its blocks are 64 x 32, and
the scores are a small matrix product in steps of 16 along the head. For that the keys are transposed first:
neighbouring threads take neighbouring keys, which must lie in neighbouring banks of shared memory.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._tiles import (
    descriptor,
    dot,
    load_tile,
    narrow,
    product,
    store_tile,
    tma_readable,
    transposed,
)


def scaled_dot_product(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool = False) -> torch.Tensor:
    """Attention: q[batch, heads, queries, head_dim], k and v[batch, kv_heads, keys, head_dim] -> out, shaped like q.

    Widths up to head_dim 256 fit an SM.
    """
    batch, heads, queries, head_dim = q.shape
    kv_heads, keys = k.shape[1:3]
    out = torch.empty_like(q)
    config = _tiles(queries, head_dim, q.element_size())
    block_n, width = config["BLOCK_N"], config["WIDTH"]
    source_k: Any = k
    source_v: Any = v
    tma = tma_readable(k, v) and keys % block_n == 0 and head_dim == width
    if tma:
        source_k = descriptor(k.view(-1, head_dim), [block_n, width])
        source_v = descriptor(v.view(-1, head_dim), [block_n, width])
    elif config["DEPTH"] < width:
        source_k = transposed(k.view(-1, keys, head_dim))
    _attention[(triton.cdiv(queries, config["BLOCK_M"]) * batch * heads,)](
        q, source_k, source_v, out, batch * heads, heads // kv_heads, queries, keys, head_dim,
        math.log2(math.e) / math.sqrt(head_dim), CAUSAL=causal, RAGGED=keys % block_n != 0, TMA=tma, **config,
    )  # fmt: skip
    return out


def _tiles(queries: int, head_dim: int, itemsize: int) -> dict[str, int]:
    """Launch parameters; a `DEPTH` below `WIDTH` is the step along the head of a kernel that reads k transposed."""
    width = max(16 if itemsize == 2 else 32, triton.next_power_of_2(head_dim))
    if itemsize == 4:
        block_m, block_n, depth, warps, stages = 64 if width <= 128 else 32, 32, 16, 4, 2
    elif width <= 128:
        block_m, block_n, depth, warps, stages = 128, 128, width, 8, 3
    else:
        block_m, block_n, depth, warps, stages = 128, 64, width, 8, 2
    if queries <= 64:
        block_m, warps = min(block_m, max(16, triton.next_power_of_2(queries))), 4
    return {
        "BLOCK_M": block_m, "BLOCK_N": block_n, "WIDTH": width, "DEPTH": depth,
        "num_warps": warps, "num_stages": stages,
    }  # fmt: skip


@triton.jit
def _attention(
    q, k, v, out, heads, group, queries, keys, head_dim, scale,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, WIDTH: tl.constexpr, DEPTH: tl.constexpr,
    CAUSAL: tl.constexpr, RAGGED: tl.constexpr, TMA: tl.constexpr,
):  # fmt: skip
    head = tl.program_id(0) % heads  # of all heads of the batch
    first = (tl.cdiv(queries, BLOCK_M) - 1 - tl.program_id(0) // heads) * BLOCK_M
    row, rows = head * queries + first, head * queries + queries
    source = head // group * keys  # the first key's row in k and v
    if DEPTH < WIDTH:
        k += source.to(tl.int64) * head_dim
        block = q
    else:
        block = load_tile(q, row, 0, rows, head_dim, BLOCK_M, WIDTH, False)
    # Query i of this block sees the keys up to `last + i`.
    last = first + keys - queries if CAUSAL else keys
    seen_by_all = min(last + 1, keys) // BLOCK_N * BLOCK_N
    maximum = tl.full((BLOCK_M,), float("-inf"), tl.float32)
    total = tl.zeros((BLOCK_M,), tl.float32)
    acc = tl.zeros((BLOCK_M, WIDTH), tl.float32)
    maximum, total, acc = _attend(
        block, k, v, maximum, total, acc, 0, seen_by_all, row, rows, source, keys, last, head_dim, scale,
        BLOCK_M, BLOCK_N, WIDTH, DEPTH, False, TMA,
    )  # fmt: skip
    if CAUSAL or RAGGED:
        end = min(last + BLOCK_M, keys)
        maximum, total, acc = _attend(
            block, k, v, maximum, total, acc, seen_by_all, end, row, rows, source, keys, last, head_dim, scale,
            BLOCK_M, BLOCK_N, WIDTH, DEPTH, True, TMA,
        )  # fmt: skip
    store_tile(out, acc / total[:, None], row, 0, rows, head_dim, BLOCK_M, WIDTH)


@triton.jit
def _attend(
    q, k, v, maximum, total, acc, begin, end, row, rows, source, keys, last, head_dim, scale,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, WIDTH: tl.constexpr, DEPTH: tl.constexpr,
    MASKED: tl.constexpr, TMA: tl.constexpr,
):  # fmt: skip
    """Fold the keys from `begin` to `end` into the running maximum, sum and output of a block of queries."""
    for j in range(begin, end, BLOCK_N):
        if DEPTH < WIDTH:
            scores = product(q, k, row, j, rows, keys, head_dim, BLOCK_M, BLOCK_N, DEPTH, False)
        else:
            tile = load_tile(k, source + j, 0, source + keys, head_dim, BLOCK_N, WIDTH, TMA)
            scores = dot(q, tile.T, tl.zeros((BLOCK_M, BLOCK_N), tl.float32), "ieee")
        if MASKED:
            key = j + tl.arange(0, BLOCK_N)
            limit = tl.minimum(last + tl.arange(0, BLOCK_M), keys - 1)
            scores = tl.where(key[None, :] <= limit[:, None], scores, float("-inf"))
        largest = tl.maximum(maximum, tl.max(scores, 1) * scale)
        weights = tl.exp2(scores * scale - largest[:, None])
        shrink = tl.exp2(maximum - largest)
        maximum = largest
        total = total * shrink + tl.sum(weights, 1)
        values = load_tile(v, source + j, 0, source + keys, head_dim, BLOCK_N, WIDTH, TMA)
        acc = dot(narrow(weights, values.dtype), values, acc * shrink[:, None], "ieee")
    return maximum, total, acc
