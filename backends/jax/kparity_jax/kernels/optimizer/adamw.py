"""One AdamW step.

Bytes: param, grad and both moments in, param and both moments out, each once. Operations: about fifteen for each
parameter, one of them a square root. XLA emits one loop fusion with three outputs; the moments never leave registers
between their update and their use. Bias corrections depend on the step only and are computed in double on the host.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def adamw(
    param: jax.Array,
    grad: jax.Array,
    exp_avg: jax.Array,
    exp_avg_sq: jax.Array,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    step: int = 1,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(new_param, new_exp_avg, new_exp_avg_sq), computed in float32; the inputs stay as they are."""
    p, g = param.astype(jnp.float32), grad.astype(jnp.float32)
    m = beta1 * exp_avg + (1 - beta1) * g
    v = beta2 * exp_avg_sq + (1 - beta2) * g * g
    update = (lr / (1 - beta1**step)) * m / (jnp.sqrt(v / (1 - beta2**step)) + eps)
    return (p * (1 - lr * weight_decay) - update).astype(param.dtype), m, v
