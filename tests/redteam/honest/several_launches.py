# Three passes, each of its own.
# class: honest
# backends: cpu_ref torch triton jax
# expected: passed
# prelude: yes


def softmax(x):
    top = xp.max(x, axis=-1, keepdims=True) if hasattr(x, "astype") else x.amax(-1, keepdim=True)
    e = xp.exp(x - top)
    total = xp.sum(e, axis=-1, keepdims=True) if hasattr(x, "astype") else e.sum(-1, keepdim=True)
    return e / total
