"""Cross entropy over class indices.

Bytes: the logits once in; targets and losses are one number for each row. Operations: one exponential for each logit.

Everything is measured from the target's logit t, gathered first: with s = label_smoothing, loss = lse - (1 - s) t - s
mean = logsumexp(logits - t) - s * mean(logits - t), so a common offset of a row cancels before it can cost digits,
and both sums come out of one pass over the logits (see `_online`).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from kparity_jax.kernels._online import logsumexp_and_sum


def cross_entropy(
    logits: jax.Array, targets: jax.Array, ignore_index: int = -100, label_smoothing: float = 0.0
) -> jax.Array:
    """Loss of each row in float32; 0 where the target is `ignore_index`."""
    kept = targets != ignore_index
    column = jnp.where(kept, targets, 0)[:, None]
    picked = jnp.take_along_axis(logits, column, axis=1, mode="promise_in_bounds").astype(jnp.float32)
    lse, total = logsumexp_and_sum(logits.astype(jnp.float32) - picked)
    loss = lse - total * (label_smoothing / logits.shape[1]) if label_smoothing else lse
    return jnp.where(kept, loss, 0)
