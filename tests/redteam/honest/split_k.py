# A matrix product in slices of k, added up.
# class: honest
# backends: cpu_ref torch
# task: matmul/matmul
# expected: passed


def matmul(a, b):
    step = max(1, a.shape[1] // 4)
    total = a[:, :step] @ b[:step]
    for start in range(step, a.shape[1], step):
        total = total + a[:, start : start + step] @ b[start : start + step]
    return total
