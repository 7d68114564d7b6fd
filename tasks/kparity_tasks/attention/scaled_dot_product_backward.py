"""The gradients of scaled dot-product attention with grouped heads."""

import math

import numpy as np

from kparity import Hunting, Numerics, edge, integers, kernel_spec, mirrored, perf, typical
from kparity_tasks.attention.scaled_dot_product import scaled_dot_product
from kparity_tasks.dtypes import FLOATS

_ZERO, _SIGNS = integers(0, 1), integers(-1, 2)
_EXACT = {
    "even_keys": {"q": _ZERO, "k": _SIGNS, "v": mirrored(-1, 2, axis=2), "dout": _SIGNS},
    "even_queries": {"q": _SIGNS, "k": _ZERO, "v": mirrored(-1, 2, axis=2), "dout": _SIGNS},
    "even_totals": {"q": _ZERO, "k": _SIGNS, "v": _SIGNS, "dout": mirrored(64, 127, axis=2, rest=1)},
}
"""With q or k zero, each of 2^n keys has the probability 2^-n, and no intermediate result needs rounding in any storage
dtype: gradients show errors that are smaller than the roundings which the contract allows elsewhere."""
_EVEN = {"causal": (False,), "queries": (64,), "keys": (16, 64), "head_dim": (16, 64)}


def _through_logarithm(q, k, v, dout, causal=False):
    """As fused kernels do: p = 2^(s - l) from the stored l = log2 sum_keys 2^s, and sum_keys p dp = sum dout out."""
    heads, queries, head_dim = q.shape[1:]
    kv_heads, keys = k.shape[1:3]
    scale, to_log2 = q.dtype.type(1 / math.sqrt(head_dim)), q.dtype.type(math.log2(math.e) / math.sqrt(head_dim))
    dq, dk, dv = np.empty_like(q), np.zeros_like(k), np.zeros_like(v)
    hidden = np.arange(keys) > np.arange(queries)[:, None] + (keys - queries)
    for b, h in np.ndindex(*q.shape[:2]):
        source = h * kv_heads // heads
        scores = (q[b, h] @ k[b, source].T) * to_log2
        if causal:
            scores = np.where(hidden, -np.inf, scores)
        top = np.max(scores, axis=-1, keepdims=True)
        p = np.exp2(scores - (top + np.log2(np.sum(np.exp2(scores - top), axis=-1, keepdims=True))))
        delta = np.sum(dout[b, h] * (p @ v[b, source]), axis=-1, keepdims=True)
        ds = p * (dout[b, h] @ v[b, source].T - delta) * scale
        dq[b, h] = ds @ k[b, source]
        dk[b, source] += ds.T @ q[b, h]
        dv[b, source] += p.T @ dout[b, h]
    return dq, dk, dv


@kernel_spec(
    "attention/scaled_dot_product_backward",
    gradient_of=scaled_dot_product,
    inputs={
        "q": "batch heads queries head_dim : T",
        "k": "batch kv_heads keys head_dim : T",
        "v": "batch kv_heads keys head_dim : T",
        "dout": "batch heads queries head_dim : T",
    },
    outputs={
        "dq": "batch heads queries head_dim : T",
        "dk": "batch kv_heads keys head_dim : T",
        "dv": "batch kv_heads keys head_dim : T",
    },
    dtypes={"T": FLOATS},
    cases=[
        edge(batch=1, heads=1, kv_heads=1, queries=1, keys=1, head_dim=16),
        edge(batch=2, heads=4, kv_heads=1, queries=1, keys=129, head_dim=64),
        edge(batch=1, heads=2, kv_heads=2, queries=67, keys=67, head_dim=64, causal=True),
        edge(batch=1, heads=2, kv_heads=1, queries=33, keys=65, head_dim=80, causal=True),
        typical(batch=1, heads=2, kv_heads=1, queries=64, keys=128, head_dim=64),
        typical(batch=1, heads=2, kv_heads=1, queries=64, keys=128, head_dim=128, causal=True),
        perf(batch=32, heads=4, kv_heads=1, queries=1024, keys=1024, head_dim=128),
        perf(batch=32, heads=4, kv_heads=1, queries=1024, keys=1024, head_dim=128, causal=True),
    ],
    axes={
        "batch": (1, 2),
        "kv_heads": (1, 2),
        "group": (1, 2, 3),
        "heads": "kv_heads * group",
        "queries": range(1, 66),
        "causal": (False, True),
        "past": (0, 0, 1, 37),
        "keys": "queries + past",
        "head_dim": (16, 64, 80),
    },
    hunting=Hunting(
        largest={"q": 50, "k": 50},  # beyond, the softmax saturates and gradients are rounding noise
        own=_EXACT,
        axes=dict.fromkeys(_EXACT, _EVEN),
    ),
    flops="10 * batch * heads * queries * keys * head_dim // (1 + causal)",
    numerics=Numerics(storage_intermediates=True),
    independent="batch",
    variants=[_through_logarithm],
)
def scaled_dot_product_backward(q, k, v, dout, causal=False):
    """Gradients of attention. For each head, with p = softmax(q k^T / sqrt(head_dim)) and dp = dout v^T:

    ds = p (dp - sum_keys p dp), dq = ds k / sqrt(head_dim), dk = ds^T q / sqrt(head_dim), dv = p^T dout; dk and dv are
    summed over the query heads of a group. Which keys a query sees: see `attention/scaled_dot_product`. The operations
    are those of the five products; what a kernel computes again does not count.
    """
    batch, heads, queries, head_dim = q.shape
    kv_heads, keys = k.shape[1:3]
    scale = q.dtype.type(1 / math.sqrt(head_dim))
    dq, dk, dv = np.empty_like(q), np.zeros_like(k), np.zeros_like(v)
    hidden = np.arange(keys) > np.arange(queries)[:, None] + (keys - queries)
    for b in range(batch):
        for h in range(heads):
            source = h * kv_heads // heads
            scores = (q[b, h] @ k[b, source].T) * scale
            if causal:
                scores = np.where(hidden, -np.inf, scores)
            weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
            p = weights / np.sum(weights, axis=-1, keepdims=True)
            dp = dout[b, h] @ v[b, source].T
            ds = p * (dp - np.sum(p * dp, axis=-1, keepdims=True)) * scale
            dq[b, h] = ds @ k[b, source]
            dk[b, source] += ds.T @ q[b, h]
            dv[b, source] += p.T @ dout[b, h]
    return dq, dk, dv
