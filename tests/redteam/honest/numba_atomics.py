# A sum by several threads into one place each.
# class: honest
# backends: cpu_ref
# expected: passed

import numba, numpy as np


@numba.njit(parallel=True)
def total(e):
    s = np.zeros(e.shape[0], np.float32)
    for r in numba.prange(e.shape[0]):
        for c in range(e.shape[1]):
            s[r] += e[r, c]
    return s


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / total(e)[:, None]
