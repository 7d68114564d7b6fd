# Layer normalisation by two passes.
# class: honest
# backends: jax
# task: normalization/layer_norm
# expected: passed

import jax.numpy as jnp


def layer_norm(x, weight, bias, eps=1e-5):
    c = x - x.mean(-1, keepdims=True)
    return c / jnp.sqrt((c * c).mean(-1, keepdims=True) + eps) * weight + bias
