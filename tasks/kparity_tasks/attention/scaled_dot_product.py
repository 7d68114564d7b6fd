"""Scaled dot-product attention with grouped heads."""

import math

import numpy as np

from kparity import Hunting, Independent, Numerics, edge, hill, integers, kernel_spec, mirrored, normal, perf, typical
from kparity_tasks.dtypes import FLOATS


def _needs(chosen, q, k, v, causal=False):
    """One head reads one key and value head; causal queries read no key beyond their last."""
    (batch,), (head,), queries = chosen["batch"], chosen["heads"], chosen["queries"]
    source = head * k.shape[1] // q.shape[1]
    keys = queries[-1] + 1 + k.shape[2] - q.shape[2] if causal else k.shape[2]
    window = np.s_[batch : batch + 1, source : source + 1, :keys]
    return q[batch : batch + 1, head : head + 1, queries], k[window], v[window]


def _flash(q, k, v, causal=False):
    """Honest: tiles of 48 keys with a running maximum, sum and product."""
    queries, keys = q.shape[2], k.shape[2]
    share = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, share, axis=1), np.repeat(v, share, axis=1)
    top = np.full((*q.shape[:3], 1), -np.inf, q.dtype)
    total, out = np.zeros(top.shape, q.dtype), np.zeros(q.shape, q.dtype)
    scaled = q * q.dtype.type(1 / math.sqrt(q.shape[-1]))
    last = np.arange(queries)[:, None] + (keys - queries)
    for start in range(0, keys, 48):
        scores = scaled @ np.swapaxes(k[:, :, start : start + 48], -1, -2)
        if causal:
            scores = np.where(start + np.arange(scores.shape[-1]) > last, -np.inf, scores)
        higher = np.maximum(top, np.max(scores, axis=-1, keepdims=True))
        weights = np.exp(scores - higher)
        shrink = np.exp(top - higher)
        total = total * shrink + np.sum(weights, axis=-1, keepdims=True)
        out = out * shrink + weights @ v[:, :, start : start + 48]
        top = higher
    return out / total


def _unscaled(q, k, v, causal=False):
    """Wrong: the scores are not divided by sqrt(head_dim)."""
    return scaled_dot_product.reference(q * q.dtype.type(math.sqrt(q.shape[-1])), k, v, causal)


def _interleaved_heads(q, k, v, causal=False):
    """Wrong: query head h reads key and value head h % kv_heads."""
    heads = np.arange(q.shape[1]) % k.shape[1]
    return scaled_dot_product.reference(q, k[:, heads], v[:, heads], causal)


def _sees_one_more(q, k, v, causal=False):
    """Wrong: the causal mask lets each query see the key behind its own."""
    if not causal:
        return scaled_dot_product.reference(q, k, v)
    beyond = [np.concatenate([one[:, :, 1:], one[:, :, -1:]], axis=2) for one in (k, v)]
    return scaled_dot_product.reference(q, *beyond, causal)


def _aligned_to_the_start(q, k, v, causal=False):
    """Wrong: the causal mask as if queries and keys began together."""
    if not causal:
        return scaled_dot_product.reference(q, k, v)
    queries = q.shape[2]
    return scaled_dot_product.reference(q, k[:, :, :queries], v[:, :, :queries], causal)


@kernel_spec(
    "attention/scaled_dot_product",
    inputs={
        "q": "batch heads queries head_dim : T",
        "k": "batch kv_heads keys head_dim : T",
        "v": "batch kv_heads keys head_dim : T",
    },
    outputs={"out": "batch heads queries head_dim : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(batch=1, heads=1, kv_heads=1, queries=1, keys=1, head_dim=16),
        edge(batch=2, heads=4, kv_heads=1, queries=1, keys=129, head_dim=64),
        edge(batch=1, heads=2, kv_heads=2, queries=127, keys=127, head_dim=64, causal=True),
        edge(batch=1, heads=2, kv_heads=1, queries=33, keys=65, head_dim=80, causal=True),
        typical(batch=1, heads=2, kv_heads=1, queries=256, keys=256, head_dim=64),
        typical(batch=1, heads=2, kv_heads=1, queries=256, keys=256, head_dim=128, causal=True),
        perf(batch=1, heads=16, kv_heads=4, queries=4096, keys=4096, head_dim=128),
        perf(batch=1, heads=16, kv_heads=4, queries=4096, keys=4096, head_dim=128, causal=True),
    ],
    honest=[_flash],
    mutants=[_unscaled, _interleaved_heads, _sees_one_more, _aligned_to_the_start],
    axes={
        "batch": (1, 2),
        "kv_heads": (1, 2, 3),
        "group": (1, 2, 3),
        "heads": "kv_heads * group",
        "queries": range(1, 130),
        "causal": (False, True),
        "past": (0, 0, 1, 37),
        "keys": "queries + past",
        "head_dim": (16, 32, 64, 80, 128),
    },
    hunting=Hunting(
        # Fused kernels subtract the largest score, rounded, within a multiply-add. Of larger scores, that makes the
        # largest weight differ from one by so much that rounding it to T, which the contract allows, shows.
        largest={"q": 1e3, "k": 1e3},
        own={
            "hill": {"q": normal(0, 0.1), "v": hill(start=2)},
            "mean": {"q": integers(0, 1), "v": integers(1, 128)},  # every key weighs the same: next to no rounding
            "totals": {"q": integers(0, 1), "v": mirrored(64, 127, axis=2, rest=1)},  # of 2^n keys: none at all
            "pairs": {"q": normal(0, 3)},  # as many batches as heads, so that they can be mistaken for each other
        },
        axes={
            "totals": {"causal": (False,), "queries": range(1, 65), "keys": (64, 128)},
            "pairs": {"batch": (2,), "kv_heads": (2,), "group": (1,), "queries": (3,), "past": (2,)},
        },
    ),
    flops="4 * batch * heads * queries * keys * head_dim // (1 + causal)",
    numerics=Numerics(storage_intermediates=True),
    independent=Independent(("batch", "heads", "queries"), needs=_needs, contiguous=True),
)
def scaled_dot_product(q, k, v, causal=False):
    """Attention: out = softmax(q k^T / sqrt(head_dim)) v for each batch and head.

    Grouped heads: query head h reads key and value head h * kv_heads // heads; heads is a multiple of kv_heads.
    `causal=True`: query i sees keys j <= i + keys - queries (aligned to the end, as in decoding); keys >= queries.
    """
    batch, heads, queries, head_dim = q.shape
    kv_heads, keys = k.shape[1:3]
    out = np.empty_like(q)
    hidden = np.arange(keys) > np.arange(queries)[:, None] + (keys - queries)
    for b in range(batch):
        for h in range(heads):
            source = h * kv_heads // heads
            scores = (q[b, h] @ k[b, source].T) * q.dtype.type(1 / math.sqrt(head_dim))
            if causal:
                scores = np.where(hidden, -np.inf, scores)
            weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
            out[b, h] = (weights @ v[b, source]) / np.sum(weights, axis=-1, keepdims=True)
    return out
