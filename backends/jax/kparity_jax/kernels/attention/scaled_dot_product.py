"""Scaled dot-product attention with grouped heads, in blocks.

Bytes: q, k, v once in, out once out. Operations: 4 queries keys head_dim for each head (half of it when causal), so
long sequences are bound by the matrix units. The score matrix is never whole: queries are cut into blocks, and for
each a loop walks over blocks of keys, keeping the running maximum, the sum of exponentials and the unnormalised
output (online softmax, arXiv:1805.02867). XLA still writes each block of scores to memory between its two products;
the Pallas kernel of this task does not.

Grouped heads: the query heads that share a key head become one longer list of query rows, so keys and values are
never repeated. Causal: a block of queries stops at the last key that its last query sees.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax

from kparity_jax.kernels._dot import dot

QUERY_BLOCK = 1024
KEY_BLOCK = 512

State = tuple[jax.Array, jax.Array, jax.Array]


def scaled_dot_product(q: jax.Array, k: jax.Array, v: jax.Array, causal: bool = False) -> jax.Array:
    """softmax(q k^T / sqrt(head_dim)) v; scores and sums in float32, probabilities in the storage type."""
    batch, heads, queries, head_dim = q.shape
    kv_heads, keys = k.shape[1:3]
    grouped = q.reshape(batch, kv_heads, heads // kv_heads, queries, head_dim)
    blocks = []
    for first in range(0, queries, QUERY_BLOCK):
        rows = grouped[:, :, :, first : first + QUERY_BLOCK]
        past = first + keys - queries if causal else None
        blocks.append(_attend(rows, k, v, past))
    return jnp.concatenate(blocks, axis=3).reshape(q.shape)


def _attend(q: jax.Array, k: jax.Array, v: jax.Array, past: int | None) -> jax.Array:
    """One block of queries; query i of it sees the keys j <= past + i, or all of them where `past` is None."""
    *lead, count, head_dim = q.shape
    keys = k.shape[2]
    visible = keys if past is None else past + count
    rows = q.reshape(*lead[:2], -1, head_dim)
    last = jnp.tile(jnp.arange(count), lead[2])[:, None] + (0 if past is None else past)

    def step(state: State, start: jax.Array | int, length: int) -> State:
        top, total, out = state
        scores = dot(rows, lax.dynamic_slice_in_dim(k, start, length, 2), contract=(3, 3), batch=(0, 1))
        scores *= 1 / math.sqrt(head_dim)
        if past is not None:
            scores = jnp.where(start + jnp.arange(length) <= last, scores, -jnp.inf)
        higher = jnp.maximum(top, jnp.max(scores, axis=-1, keepdims=True))
        weights = jnp.exp(scores - higher)
        decay = jnp.exp(top - higher)
        total = total * decay + jnp.sum(weights, axis=-1, keepdims=True)
        values = lax.dynamic_slice_in_dim(v, start, length, 2)
        return higher, total, out * decay + dot(weights.astype(v.dtype), values, contract=(3, 2), batch=(0, 1))

    shape = rows.shape[:3]
    state = (
        jnp.full((*shape, 1), -jnp.inf, jnp.float32),
        jnp.zeros((*shape, 1), jnp.float32),
        jnp.zeros((*shape, head_dim), jnp.float32),
    )
    whole, rest = divmod(visible, KEY_BLOCK)
    if whole:
        state = lax.fori_loop(0, whole, lambda i, carry: step(carry, i * KEY_BLOCK, KEY_BLOCK), state)
    if rest:
        state = step(state, whole * KEY_BLOCK, rest)
    _, total, out = state
    return (out / total).astype(q.dtype).reshape(q.shape)
