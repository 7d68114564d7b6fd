# Threads that are joined before the return.
# class: honest
# backends: cpu_ref
# task: matmul/matmul
# expected: passed

from concurrent.futures import ThreadPoolExecutor
import numpy as np


def matmul(a, b):
    c = np.empty((a.shape[0], b.shape[1]), a.dtype)

    def part(start):
        c[start : start + 64] = a[start : start + 64] @ b

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(part, range(0, len(a), 64)))
    return c
