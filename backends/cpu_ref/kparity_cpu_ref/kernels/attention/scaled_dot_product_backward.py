"""The gradients of scaled dot-product attention with grouped heads, a block of queries at a time.

10 queries keys head_dim operations a head, all in five matrix products that BLAS multiplies. Between them stand two
queries x keys matrices, the scores and the gradient of the probabilities; one fused sweep over a row turns both into
what the last three products need:

    p = softmax(scores), ds = p (dp - sum(p dp))

A block of queries at a time keeps them small. The keys after the last one that a block sees are left out of its
products.
"""

from __future__ import annotations

import math

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._math import exp, f32, row_max
from kparity_cpu_ref.kernels._numba import njit, prange

_QUERIES = 256


@njit(parallel=True, fastmath={"reassoc", "contract"})
def _differentiate(scores, dp, scale, visible):
    """Scores to probabilities and dp to scaled ds, in place; `visible` keys are seen by the first row."""
    rows, keys = scores.shape
    for r in prange(rows):
        seen = min(visible + r, keys)
        top = row_max(scores[r, :seen]) * scale
        total = f32(0.0)
        weighted = f32(0.0)
        for j in range(seen):
            scores[r, j] = exp(scores[r, j] * scale - top)
            total += scores[r, j]
            weighted += scores[r, j] * dp[r, j]
        inverse = f32(1.0) / total
        weighted *= inverse
        for j in range(seen):
            scores[r, j] *= inverse
            dp[r, j] = scores[r, j] * (dp[r, j] - weighted) * scale
        for j in range(seen, keys):
            scores[r, j] = f32(0.0)
            dp[r, j] = f32(0.0)


def scaled_dot_product_backward(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, dout: np.ndarray, causal: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dq, dk and dv of attention, given the gradient `dout` of its output; `causal` is aligned to the end."""
    batch, heads, queries, head_dim = q.shape
    kv_heads, keys = k.shape[1:3]
    wide_q, wide_k, wide_v, wide_dout = widen(q), widen(k), widen(v), widen(dout)
    dq, dk, dv = np.empty(q.shape, np.float32), np.zeros(k.shape, np.float32), np.zeros(v.shape, np.float32)
    scale = np.float32(1 / math.sqrt(head_dim))
    for b in range(batch):
        for h in range(heads):
            source = h * kv_heads // heads
            for first in range(0, queries, _QUERIES):
                rows = wide_q[b, h, first : first + _QUERIES]
                cotangents = wide_dout[b, h, first : first + _QUERIES]
                visible = first + keys - queries + 1 if causal else keys
                seen = slice(min(keys, visible + len(rows) - 1))
                scores = rows @ wide_k[b, source, seen].T
                dp = cotangents @ wide_v[b, source, seen].T
                _differentiate(scores, dp, scale, visible)
                dq[b, h, first : first + _QUERIES] = dp @ wide_k[b, source, seen]
                dk[b, source, seen] += dp.T @ rows
                dv[b, source, seen] += scores.T @ cotangents
    return narrow(dq, q.dtype), narrow(dk, k.dtype), narrow(dv, v.dtype)
