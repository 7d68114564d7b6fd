# Returns a part of a larger, padded allocation.
# class: honest
# backends: cpu_ref torch
# expected: passed
# prelude: yes


def softmax(x):
    padded = xp.zeros((x.shape[0] + 2, x.shape[1]), dtype=x.dtype)
    padded[1:-1] = honest(x)
    return padded[1:-1]
