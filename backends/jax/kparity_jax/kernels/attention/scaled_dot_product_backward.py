"""The gradients of scaled dot-product attention with grouped heads, a block of queries at a time.

Bytes: q, k, v, dout once in, dq, dk, dv once out. Operations: five products of queries x keys x head_dim multiply-adds
for each head (half of it when causal). Each block of queries has all its scores at once: their softmax p then needs no
running maximum, and the correction sum(p dp) no second pass. What is in memory at a time is one block of scores of all
heads. A loop over the blocks adds up dk and dv in float32.

Grouped heads: the query heads that share a key head become one longer list of query rows, so that their sum in dk and
dv is part of the products. Causal: a block of queries leaves out the keys after the last one that it sees.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from kparity_jax.kernels._dot import dot

QUERY_BLOCK = 512

HEADS = (0, 1)


def scaled_dot_product_backward(
    q: jax.Array, k: jax.Array, v: jax.Array, dout: jax.Array, causal: bool = False
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """dq, dk and dv; sums in float32, probabilities and their gradients in the storage type for the products."""
    batch, heads, queries, head_dim = q.shape
    kv_heads, keys = k.shape[1:3]
    grouped = (batch, kv_heads, heads // kv_heads, queries, head_dim)
    rows, cotangents = q.reshape(grouped), dout.reshape(grouped)
    dk, dv = jnp.zeros(k.shape, jnp.float32), jnp.zeros(v.shape, jnp.float32)
    blocks = []
    for first in range(0, queries, QUERY_BLOCK):
        past = first + keys - queries if causal else None
        block = slice(first, first + QUERY_BLOCK)
        visible = keys if past is None else min(keys, past + QUERY_BLOCK)
        seen = (slice(None), slice(None), slice(visible))
        dq, more_dk, more_dv = _block(rows[:, :, :, block], k[seen], v[seen], cotangents[:, :, :, block], past)
        blocks.append(dq)
        dk, dv = dk.at[seen].add(more_dk), dv.at[seen].add(more_dv)
    return jnp.concatenate(blocks, axis=3).reshape(q.shape), dk.astype(k.dtype), dv.astype(v.dtype)


def _block(
    q: jax.Array, k: jax.Array, v: jax.Array, dout: jax.Array, past: int | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """dq of one block of queries and its share of dk and dv; query i of it sees the keys j <= past + i."""
    batch, kv_heads, group, count, head_dim = q.shape
    rows, cotangents = (x.reshape(batch, kv_heads, group * count, head_dim) for x in (q, dout))
    scale = 1 / math.sqrt(head_dim)
    scores = dot(rows, k, contract=(3, 3), batch=HEADS) * scale
    if past is not None:
        last = jnp.tile(jnp.arange(count), group)[:, None] + past
        scores = jnp.where(jnp.arange(k.shape[2]) <= last, scores, -jnp.inf)
    p = jax.nn.softmax(scores, axis=-1)
    dp = dot(cotangents, v, contract=(3, 3), batch=HEADS)
    ds = (p * (dp - jnp.sum(p * dp, axis=-1, keepdims=True)) * scale).astype(k.dtype)
    dq = dot(ds, k, contract=(3, 2), batch=HEADS).astype(q.dtype).reshape(q.shape)
    dk = dot(ds, rows, contract=(2, 2), batch=HEADS)
    return dq, dk, dot(p.astype(v.dtype), cotangents, contract=(2, 2), batch=HEADS)
