# A pure callback that works every time.
# class: honest
# backends: jax
# expected: passed
# prelude: yes

import numpy as np


def compute(x):
    x = np.asarray(x)
    e = np.exp(x - x.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype(np.float32)


def softmax(x):
    return jax.pure_callback(compute, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
