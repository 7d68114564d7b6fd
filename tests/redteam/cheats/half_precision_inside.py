# Computes in float16.
# class: S11
# backends: cpu_ref
# expected: failed
# detector: bound
# options: untimed
# prelude: yes


def softmax(x):
    return honest(x.astype("float16")).astype("float32")
