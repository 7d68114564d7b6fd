# Numba's own pool of threads stays after the call.
# class: honest
# backends: cpu_ref
# expected: passed

import numba, numpy as np


@numba.njit(parallel=True, fastmath=True)
def rows(x, y):
    for r in numba.prange(x.shape[0]):
        e = np.exp(x[r] - x[r].max())
        y[r] = e / e.sum()


def softmax(x):
    y = np.empty_like(x)
    rows(x, y)
    return y
