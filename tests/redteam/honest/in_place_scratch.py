# Works in place on a copy.
# class: honest
# backends: cpu_ref torch triton
# expected: passed
# prelude: yes


def softmax(x):
    y = x + 0
    y[...] = honest(y)
    return y
