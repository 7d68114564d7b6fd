# XLA's product where a hand-written one is demanded.
# class: R01
# backends: jax
# task: matmul/matmul
# expected: inconclusive failed
# detector: launches
# options: policy=hand-written

import jax.numpy as jnp


def matmul(a, b):
    return jnp.dot(a, b, precision="highest")
