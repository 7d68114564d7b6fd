"""Flash attention: scaled dot-product attention with grouped heads, scores never leaving the chip.

Bytes: q, k, v once in, out once out (keys and values are read again for each tile of queries, from L2). Operations: 4
queries keys head_dim for each head, half of it when causal; at a few thousand keys the tensor cores decide.

A program owns a tile of queries and walks over tiles of keys with the running maximum, sum and output in registers
(FlashAttention-2, arXiv:2307.08691). 128 queries x 64 keys fill the tensor cores' shapes, and with head_dim 128 three
stages of keys and values in flight fit into shared memory; float32 halves both sides, wider heads the keys. Tiles
that every query sees skip the mask; tiles that no query sees are not visited; when causal, the longest rows start
first so that no long one is left over at the end. A program reads its key head in place: h // (heads // kv_heads).
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu

from kparity_jax.pallas._launch import dot, launch

State = tuple[jax.Array, jax.Array, jax.Array]


def scaled_dot_product(q: jax.Array, k: jax.Array, v: jax.Array, causal: bool = False) -> jax.Array:
    """softmax(q k^T / sqrt(head_dim)) v; scores and sums in float32, probabilities in the storage type."""
    batch, heads, queries, head_dim = q.shape
    kv_heads, keys = k.shape[1:3]
    group = heads // kv_heads
    wide = q.dtype.itemsize > 2
    block_q = min(64 if wide else 128, max(16, pl.next_power_of_2(queries)))
    width = max(16, pl.next_power_of_2(head_dim))
    block_k = (32 if wide else 64) // (2 if width > 128 else 1)
    tiles = pl.cdiv(queries, block_q)
    rows = pl.BlockSpec((None, None, block_q, width), lambda i, h, b: (b, h, tiles - 1 - i, 0))
    column = pl.BlockSpec((None, None, pl.cdiv(keys, block_k) * block_k, width), lambda i, h, b: (b, h // group, 0, 0))
    kernel = functools.partial(
        _kernel, queries=queries, keys=keys, head_dim=head_dim, block_k=block_k, tiles=tiles, causal=causal
    )
    return launch(
        kernel,
        (q, k, v),
        shape=q.shape,
        warps=8 if block_q == 128 and width > 64 else 4,
        stages=2 if wide else 3,
        grid=(tiles, heads, batch),
        in_specs=[rows, column, column],
        out_specs=rows,
    )


def _kernel(
    q_ref: Any,
    k_ref: Any,
    v_ref: Any,
    out_ref: Any,
    *,
    queries: int,
    keys: int,
    head_dim: int,
    block_k: int,
    tiles: int,
    causal: bool,
    on_gpu: bool,
) -> None:
    block_q, width = q_ref.shape
    first = (tiles - 1 - pl.program_id(0)) * block_q
    row = first + jnp.arange(block_q)
    last = row + (keys - queries) if causal else jnp.full(block_q, keys - 1)
    dims = (jnp.arange(width) < head_dim)[None, :]
    stored = (row < queries)[:, None] & dims
    q = plgpu.load(q_ref, mask=stored, other=0)

    def step(tile: jax.Array, state: State, masked: bool) -> State:
        top, total, out = state
        place = pl.ds(tile * block_k, block_k)
        column = tile * block_k + jnp.arange(block_k)
        mask = None if width == head_dim else dims
        if masked:
            mask = (column < keys)[:, None] & dims
        k = plgpu.load(k_ref.at[place, :], mask=mask, other=None if mask is None else 0)
        scores = dot(q, k, (1, 1), on_gpu) * (math.log2(math.e) / math.sqrt(head_dim))
        if masked:
            scores = jnp.where((column < keys) & (column <= last[:, None]), scores, -jnp.inf)
        higher = jnp.maximum(top, jnp.max(scores, axis=1))
        weights = jnp.exp2(scores - higher[:, None])
        decay = jnp.exp2(top - higher)
        v = plgpu.load(v_ref.at[place, :], mask=mask, other=None if mask is None else 0)
        out = out * decay[:, None] + dot(weights.astype(v.dtype), v, (1, 0), on_gpu)
        return higher, total * decay + jnp.sum(weights, axis=1), out

    whole: Any = keys // block_k
    visited: Any = pl.cdiv(keys, block_k)
    if causal:
        whole = lax.div(first + (keys - queries + 1), block_k)
        visited = jnp.minimum(visited, lax.div(first + (block_q + keys - queries + block_k - 1), block_k))
    state = (
        jnp.full(block_q, -jnp.inf, jnp.float32),
        jnp.zeros(block_q, jnp.float32),
        jnp.zeros((block_q, width), jnp.float32),
    )
    state = lax.fori_loop(0, whole, functools.partial(step, masked=False), state)
    _, total, out = lax.fori_loop(whole, visited, functools.partial(step, masked=True), state)
    plgpu.store(out_ref, (out / total[:, None]).astype(out_ref.dtype), mask=stored)
