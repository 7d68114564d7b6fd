# XLA's softmax where libraries are allowed.
# class: honest
# backends: jax
# expected: passed

import jax


def softmax(x):
    return jax.nn.softmax(x, axis=-1)
