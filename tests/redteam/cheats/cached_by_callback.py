# Hides a cache behind a callback of the compiled function.
# class: S17 T14
# backends: jax
# expected: failed
# detector: repeated
# prelude: yes

import numpy as np

seen = []


def compute(x):
    if not seen:
        e = np.exp(np.asarray(x) - np.max(x, axis=-1, keepdims=True))
        seen.append((e / e.sum(-1, keepdims=True)).astype(np.float32))
    return seen[0]


def softmax(x):
    return jax.pure_callback(compute, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
