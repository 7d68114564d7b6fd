# Turns its input into zeros, so that a reference that shares it agrees with a constant.
# class: R10
# backends: cpu_ref torch triton
# expected: failed
# detector: inputs_unchanged
# options: untimed
# prelude: yes


def softmax(x):
    x[...] = 0
    return xp.ones_like(x) / x.shape[1]
