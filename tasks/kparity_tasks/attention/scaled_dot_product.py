"""Scaled dot-product attention with grouped heads."""

import math

import numpy as np

from kparity import Hunting, Independent, Numerics, edge, hill, integers, kernel_spec, normal, perf, typical
from kparity_tasks.dtypes import FLOATS


def _needs(chosen, q, k, v, causal=False):
    """One head reads one key and value head; causal queries read no key beyond their last."""
    (batch,), (head,), queries = chosen["batch"], chosen["heads"], chosen["queries"]
    source = head * k.shape[1] // q.shape[1]
    keys = queries[-1] + 1 + k.shape[2] - q.shape[2] if causal else k.shape[2]
    window = np.s_[batch : batch + 1, source : source + 1, :keys]
    return q[batch : batch + 1, head : head + 1, queries], k[window], v[window]


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
        largest={
            "q": 1e6,
            "k": 1e6,
        },  # of scores beyond 2^31, fused kernels cannot form the difference from the largest
        own={
            "hill": {"q": normal(0, 0.1), "v": hill(start=2)},
            "mean": {"q": integers(0, 1), "v": integers(1, 128)},  # every key weighs the same: next to no rounding
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
