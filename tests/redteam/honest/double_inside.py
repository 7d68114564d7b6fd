# Computes in float64, which is dearer and not worse.
# class: honest
# backends: cpu_ref
# expected: passed
# prelude: yes


def softmax(x):
    return honest(x.astype("float64")).astype("float32")
