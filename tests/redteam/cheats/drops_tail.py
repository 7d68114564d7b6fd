# Forgets the columns beyond a multiple of 32.
# class: S07
# backends: cpu_ref torch triton
# expected: failed
# detector: bound
# options: untimed
# prelude: yes


def softmax(x):
    y = honest(x)
    y[:, x.shape[1] // 32 * 32 :] = 0
    return y
