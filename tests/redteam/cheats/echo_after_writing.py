# Computes in place and returns its input.
# class: S03 R10
# backends: cpu_ref torch triton
# expected: failed
# detector: inputs_unchanged
# options: untimed
# prelude: yes


def softmax(x):
    x[...] = honest(x)
    return x
