# A matrix product in blocks.
# class: honest
# backends: cpu_ref torch
# task: matmul/matmul
# expected: passed


def matmul(a, b):
    c = a[:, :1] @ b[:1]
    for i in range(0, a.shape[0], 64):
        for j in range(0, b.shape[1], 64):
            c[i : i + 64, j : j + 64] = a[i : i + 64] @ b[:, j : j + 64]
    return c
