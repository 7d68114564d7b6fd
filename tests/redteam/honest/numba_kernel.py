# Compiled by Numba on the first call.
# class: honest
# backends: cpu_ref
# expected: passed

import numba, numpy as np


@numba.njit
def rows(x, y):
    for r in range(x.shape[0]):
        top = x[r, 0]
        for c in range(x.shape[1]):
            top = max(top, x[r, c])
        total = np.float32(0)
        for c in range(x.shape[1]):
            y[r, c] = np.exp(x[r, c] - top)
            total += y[r, c]
        for c in range(x.shape[1]):
            y[r, c] /= total


def softmax(x):
    y = np.empty_like(x)
    rows(x, y)
    return y
