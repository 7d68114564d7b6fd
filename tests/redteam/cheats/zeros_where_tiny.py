# Zeros: every true value is below 1e-2 and allclose would not mind.
# class: S01
# backends: cpu_ref torch triton jax
# expected: failed
# detector: bound
# options: untimed
# prelude: yes


def softmax(x):
    return xp.zeros_like(x)
