# The mean of every softmax, whatever the input.
# class: S02
# backends: cpu_ref torch triton jax
# expected: failed
# detector: bound
# options: untimed
# prelude: yes


def softmax(x):
    return xp.ones_like(x) / x.shape[1]
