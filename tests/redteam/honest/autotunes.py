# Tries its variants on the first call of a shape and keeps the quickest.
# class: honest
# backends: cpu_ref torch
# expected: passed
# prelude: yes

import time

best = {}


def one(x):
    return honest(x)


def blocks(x):
    y = empty(x)
    for start in range(0, x.shape[0], 32):
        y[start : start + 32] = honest(x[start : start + 32])
    return y


def softmax(x):
    key = tuple(x.shape)
    if key not in best:
        times = []
        for variant in (one, blocks):
            began = time.perf_counter()
            variant(x)
            times.append((time.perf_counter() - began, variant))
        best[key] = min(times, key=lambda pair: pair[0])[1]
    return best[key](x)
