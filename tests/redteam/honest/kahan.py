# Compensated sums.
# class: honest
# backends: cpu_ref
# expected: passed

import numpy as np


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    total, lost = np.zeros(len(x), np.float32), np.zeros(len(x), np.float32)
    for start in range(0, x.shape[1], 64):
        y = e[:, start : start + 64].sum(-1, dtype=np.float32) - lost
        t = total + y
        total, lost = t, (t - total) - y
    return e / total[:, None]
