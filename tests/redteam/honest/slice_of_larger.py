# Returns a part of a larger, padded allocation.
# class: honest
# backends: cpu_ref torch
# expected: passed
# prelude: yes


def softmax(x):
    padded = zeros(x, (x.shape[0] + 2, x.shape[1]))
    padded[1:-1] = honest(x)
    return padded[1:-1]
