"""The gradients of scaled dot-product attention with grouped heads: dq, dk and dv, given the gradient of the output.

Operations: five products of queries x keys x head_dim multiply-adds for each head. With p the probabilities and
dp = dout v^T, ds = p (dp - sum_keys p dp) / sqrt(head_dim) gives

    dq = ds k      dk = ds^T q      dv = p^T dout

Bytes: only q, k, v, dout and the three results; p and ds are made block by block where they are needed and never stored
(arXiv:2205.14135). dq is a sum over keys, dk and dv are sums over queries, so one kernel walks over the keys for a
block of queries, another over the queries for a block of keys; the second repeats two products, and in return no sum is
shared between programs: no atomics, the same bits in every run.

What both need of each row of scores, its log-sum-exp and the correction sum_keys p dp, is not saved from a forward pass
but found first, by a walk over the keys with a running maximum: two more products. That makes nine, of which five
count.

Grouped heads: the program of a block of keys walks over the queries of every head of the group, whose sum dk and dv
are. Causal: blocks that no query sees are skipped. Programs with the most work start first.

16-bit elements: blocks of 64 that walk in steps of 64. float32 has no tensor cores here (TF32 is ruled out), and the
registers of a thread hold the operands too: blocks of 32, steps of 16, and products along the head in steps of 16 as
well, from transposed copies, as in the forward kernel.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._tiles import dot, load_tile, narrow, product, store_tile, transposed


def scaled_dot_product_backward(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, dout: torch.Tensor, causal: bool = False
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """dq, dk and dv for q and dout[batch, heads, queries, head_dim], k and v[batch, kv_heads, keys, head_dim].

    Widths up to head_dim 256 fit an SM.
    """
    batch, heads, queries, head_dim = q.shape
    kv_heads, keys = k.shape[1:3]
    dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
    # Of each row of scores: log2 of the sum of exponentials, and sum_keys p dp.
    lse, delta = torch.empty((2, batch * heads * queries), dtype=torch.float32, device=q.device)
    width = max(16 if q.element_size() == 2 else 32, triton.next_power_of_2(head_dim))
    if q.element_size() == 4:
        config = {"BLOCK": 32, "STEP": 16, "WIDTH": width, "DEPTH": 16, "num_warps": 8, "num_stages": 2}
        q_right, dout_right = (transposed(x.view(-1, queries, head_dim)) for x in (q, dout))
        k_right, v_right = (transposed(x.view(-1, keys, head_dim)) for x in (k, v))
    else:
        config = {"BLOCK": 64, "STEP": 64, "WIDTH": width, "DEPTH": width, "num_warps": 4 if width <= 64 else 8}
        config["num_stages"] = 2 if width <= 128 else 1
        q_right, dout_right, k_right, v_right = q, dout, k, v
    sizes = (heads // kv_heads, queries, keys, head_dim, 1 / math.sqrt(head_dim))
    _queries[(triton.cdiv(queries, config["BLOCK"]) * batch * heads,)](
        q, k, k_right, v_right, dout, dq, lse, delta, batch * heads, *sizes, CAUSAL=causal, **config
    )
    _keys[(triton.cdiv(keys, config["BLOCK"]) * batch * kv_heads,)](
        q, k, v, dout, q_right, dout_right, dk, dv, lse, delta, batch * kv_heads, *sizes, CAUSAL=causal, **config
    )
    return dq, dk, dv


LOG2E = tl.constexpr(math.log2(math.e))


@triton.jit
def _queries(
    q, k, k_right, v_right, dout, dq, lse, delta, heads, group, queries, keys, head_dim, scale,
    BLOCK: tl.constexpr, STEP: tl.constexpr, WIDTH: tl.constexpr, DEPTH: tl.constexpr, CAUSAL: tl.constexpr,
):  # fmt: skip
    """dq of a block of queries of one head, and their `lse` and `delta`."""
    head = tl.program_id(0) % heads  # of all heads of the batch
    first = (tl.cdiv(queries, BLOCK) - 1 - tl.program_id(0) // heads) * BLOCK
    start, source = head.to(tl.int64) * queries * head_dim, (head // group).to(tl.int64) * keys * head_dim
    q, dout, dq = q + start, dout + start, dq + start
    k, k_right, v_right = k + source, k_right + source, v_right + source
    query = first + tl.arange(0, BLOCK)
    last = query + keys - queries if CAUSAL else tl.full((BLOCK,), keys, tl.int32)  # the last key that each query sees
    end = min(first + BLOCK + keys - queries, keys) if CAUSAL else keys
    q_tile = load_tile(q, first, 0, queries, head_dim, BLOCK, WIDTH, False)
    dout_tile = load_tile(dout, first, 0, queries, head_dim, BLOCK, WIDTH, False)

    maximum = tl.full((BLOCK,), -3.4028234663852886e38, tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    weighted = tl.zeros((BLOCK,), tl.float32)
    for j in range(0, end, STEP):
        key = j + tl.arange(0, STEP)
        scores = _products(q_tile, q, k_right, first, j, queries, keys, head_dim, BLOCK, STEP, WIDTH, DEPTH)
        seen = (key[None, :] <= last[:, None]) & (key < keys)[None, :]
        scores = tl.where(seen, scores * (scale * LOG2E), float("-inf"))
        dp = _products(dout_tile, dout, v_right, first, j, queries, keys, head_dim, BLOCK, STEP, WIDTH, DEPTH)
        largest = tl.maximum(maximum, tl.max(scores, 1))
        weights = tl.exp2(scores - largest[:, None])
        shrink = tl.exp2(maximum - largest)
        total = total * shrink + tl.sum(weights, 1)
        weighted = weighted * shrink + tl.sum(weights * dp, 1)
        maximum = largest
    row_lse, row_delta = maximum + tl.log2(total), weighted / total
    tl.store(lse + head.to(tl.int64) * queries + query, row_lse, mask=query < queries)
    tl.store(delta + head.to(tl.int64) * queries + query, row_delta, mask=query < queries)

    acc = tl.zeros((BLOCK, WIDTH), tl.float32)
    for j in range(0, end, STEP):
        key = j + tl.arange(0, STEP)
        scores = _products(q_tile, q, k_right, first, j, queries, keys, head_dim, BLOCK, STEP, WIDTH, DEPTH)
        dp = _products(dout_tile, dout, v_right, first, j, queries, keys, head_dim, BLOCK, STEP, WIDTH, DEPTH)
        seen = (key[None, :] <= last[:, None]) & (key < keys)[None, :]
        p = tl.where(seen, tl.exp2(scores * (scale * LOG2E) - row_lse[:, None]), 0.0)
        ds = p * (dp - row_delta[:, None])
        k_tile = load_tile(k, j, 0, keys, head_dim, STEP, WIDTH, False)
        acc = dot(narrow(ds, k_tile.dtype), k_tile, acc, "ieee")
    store_tile(dq, acc * scale, first, 0, queries, head_dim, BLOCK, WIDTH)


@triton.jit
def _keys(
    q, k, v, dout, q_right, dout_right, dk, dv, lse, delta, kv_heads, group, queries, keys, head_dim, scale,
    BLOCK: tl.constexpr, STEP: tl.constexpr, WIDTH: tl.constexpr, DEPTH: tl.constexpr, CAUSAL: tl.constexpr,
):  # fmt: skip
    """dk and dv of a block of keys. Scores and what follows from them are transposed: a row for each key."""
    source = tl.program_id(0) % kv_heads  # of all key heads of the batch
    first = tl.program_id(0) // kv_heads * BLOCK  # the first keys are seen by the most queries
    start = source.to(tl.int64) * keys * head_dim
    k, v, dk, dv = k + start, v + start, dk + start, dv + start
    key = first + tl.arange(0, BLOCK)
    begin = max(first + queries - keys, 0) // STEP * STEP if CAUSAL else 0
    k_tile = load_tile(k, first, 0, keys, head_dim, BLOCK, WIDTH, False)
    v_tile = load_tile(v, first, 0, keys, head_dim, BLOCK, WIDTH, False)
    k_sum = tl.zeros((BLOCK, WIDTH), tl.float32)
    v_sum = tl.zeros((BLOCK, WIDTH), tl.float32)
    for member in range(group):
        head = (source * group + member).to(tl.int64)
        at = head * queries * head_dim
        for i in range(begin, queries, STEP):
            query = i + tl.arange(0, STEP)
            row_lse = tl.load(lse + head * queries + query, mask=query < queries, other=0.0)
            row_delta = tl.load(delta + head * queries + query, mask=query < queries, other=0.0)
            q_tile = load_tile(q + at, i, 0, queries, head_dim, STEP, WIDTH, False)
            dout_tile = load_tile(dout + at, i, 0, queries, head_dim, STEP, WIDTH, False)
            scores = _products(k_tile, k, q_right + at, first, i, keys, queries, head_dim, BLOCK, STEP, WIDTH, DEPTH)
            dp = _products(v_tile, v, dout_right + at, first, i, keys, queries, head_dim, BLOCK, STEP, WIDTH, DEPTH)
            seen = (query < queries)[None, :] & (key < keys)[:, None]
            if CAUSAL:
                seen = seen & (key[:, None] <= query[None, :] + (keys - queries))
            p = tl.where(seen, tl.exp2(scores * (scale * LOG2E) - row_lse[None, :]), 0.0)
            ds = p * (dp - row_delta[None, :])
            v_sum = dot(narrow(p, dout_tile.dtype), dout_tile, v_sum, "ieee")
            k_sum = dot(narrow(ds, q_tile.dtype), q_tile, k_sum, "ieee")
    store_tile(dk, k_sum * scale, first, 0, keys, head_dim, BLOCK, WIDTH)
    store_tile(dv, v_sum, first, 0, keys, head_dim, BLOCK, WIDTH)


@triton.jit
def _products(
    tile, left, right, row, column, rows, columns, head_dim,
    R: tl.constexpr, C: tl.constexpr, WIDTH: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """R x C products of rows of two matrices: `tile`, which lies at `row` of `left`, and those at `column` of `right`.

    With a `DEPTH` below `WIDTH`, `right` is stored transposed and both are read in steps of DEPTH.
    """
    if DEPTH < WIDTH:
        result = product(left, right, row, column, rows, columns, head_dim, R, C, DEPTH, False)
    else:
        other = load_tile(right, column, 0, columns, head_dim, C, WIDTH, False)
        result = dot(tile, other.T, tl.zeros((R, C), tl.float32), "ieee")
    return result
