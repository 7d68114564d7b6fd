# Online softmax over column blocks.
# class: honest
# backends: cpu_ref jax
# expected: passed
# prelude: yes


def softmax(x):
    top = xp.full((x.shape[0], 1), -xp.inf, dtype=x.dtype)
    total = xp.zeros((x.shape[0], 1), dtype=x.dtype)
    for start in range(0, x.shape[1], 512):
        block = x[:, start : start + 512]
        higher = xp.maximum(top, xp.max(block, axis=-1, keepdims=True))
        total = total * xp.exp(top - higher) + xp.sum(xp.exp(block - higher), axis=-1, keepdims=True)
        top = higher
    return xp.exp(x - top) / total
