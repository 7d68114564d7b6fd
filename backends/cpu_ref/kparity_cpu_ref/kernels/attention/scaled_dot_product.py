"""Scaled dot-product attention with grouped heads, block by block.

4 queries keys head_dim operations a head, all in two matrix products; the scores between them are queries * keys
numbers that nobody asked for. They are made one tile at a time, small enough for the cache: BLAS multiplies, one
fused sweep turns scores into weights, BLAS multiplies again. Weights need the row's maximum and sum, which are known
only at the end: both run along, and when a later tile brings a larger maximum, what has been summed so far is scaled
down ("online softmax", Milakov and Gimelshein, arXiv:1805.02867; Dao et al., arXiv:2205.14135). Tiles above the
causal diagonal are skipped.
"""

from __future__ import annotations

import math

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._math import exp, f32, row_max
from kparity_cpu_ref.kernels._numba import njit, prange

_QUERIES = 256
_KEYS = 512


@njit(parallel=True, fastmath={"reassoc", "contract"})
def _weigh(scores, scale, visible, top, total, out):
    """Scores to weights in place, in units of the running maximum; `visible` keys are seen by the first row."""
    rows, keys = scores.shape
    for r in prange(rows):
        seen = max(min(visible + r, keys), 0)
        if seen > 0:
            new_top = max(top[r], row_max(scores[r, :seen]) * scale)
            shrink = exp(top[r] - new_top)
            added = f32(0.0)
            for j in range(seen):
                scores[r, j] = exp(scores[r, j] * scale - new_top)
                added += scores[r, j]
            total[r] = total[r] * shrink + added
            top[r] = new_top
            for d in range(out.shape[1]):
                out[r, d] *= shrink
        for j in range(seen, keys):
            scores[r, j] = f32(0.0)


def _attend(q: np.ndarray, k: np.ndarray, v: np.ndarray, visible: int, out: np.ndarray) -> None:
    """Attention of one block of queries of one head; the first query sees `visible` keys and each next one more."""
    out[:] = 0
    scale = np.float32(1 / math.sqrt(q.shape[1]))
    top = np.full(len(q), -np.inf, np.float32)
    total = np.zeros(len(q), np.float32)
    for first in range(0, min(len(k), visible + len(q) - 1), _KEYS):
        scores = q @ k[first : first + _KEYS].T
        _weigh(scores, scale, visible - first, top, total, out)
        out += scores @ v[first : first + _KEYS]
    out /= total[:, None]


def scaled_dot_product(q: np.ndarray, k: np.ndarray, v: np.ndarray, causal: bool = False) -> np.ndarray:
    """softmax(q k^T / sqrt(head_dim)) v for each batch and head; `causal` is aligned to the end."""
    batch, heads, queries, _ = q.shape
    kv_heads, keys = k.shape[1:3]
    wide_q, wide_k, wide_v = widen(q), widen(k), widen(v)
    out = np.empty(q.shape, np.float32)
    for b in range(batch):
        for h in range(heads):
            source = h * kv_heads // heads
            for first in range(0, queries, _QUERIES):
                block = slice(first, first + _QUERIES)
                visible = first + keys - queries + 1 if causal else keys
                _attend(wide_q[b, h, block], wide_k[b, source], wide_v[b, source], visible, out[b, h, block])
    return narrow(out, q.dtype)
