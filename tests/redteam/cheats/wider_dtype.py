# Answers in float64.
# class: S14
# backends: cpu_ref torch
# expected: failed
# detector: signature
# options: untimed
# prelude: yes


def softmax(x):
    return honest(x).astype("float64") if hasattr(x, "astype") else honest(x).double()
