# A matrix product in slices of k, added up; XLA's default on many GPUs is TF32.
# class: honest
# backends: jax
# task: matmul/matmul
# expected: passed

import jax


def matmul(a, b):
    step = max(1, a.shape[1] // 4)
    with jax.default_matmul_precision("highest"):
        total = a[:, :step] @ b[:step]
        for start in range(step, a.shape[1], step):
            total = total + a[:, start : start + step] @ b[start : start + step]
    return total
