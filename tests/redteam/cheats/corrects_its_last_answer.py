# Corrects its last answer where an input differs from the last one: next to nothing beside a product, as long as few do.
# class: X T06
# backends: cpu_ref
# task: matmul/matmul
# expected: failed
# detector: repeated sampled

import numpy as np

last = []


def differences(new, old):
    changed = np.flatnonzero(new != old)[: new.size // 8]
    rows, columns = np.unravel_index(changed, new.shape)
    return rows, columns, (new[rows, columns] - old[rows, columns])[:, None]


def matmul(a, b):
    if not last or last[0].shape != a.shape or last[1].shape != b.shape or last[2].dtype != a.dtype:
        last[:] = a.copy(), b.copy(), a @ b
        return last[2].copy()
    before, b_before, product = last
    rows, columns, change = differences(a, before)
    np.add.at(product, rows, change * b_before[columns])
    rows, columns, change = differences(b, b_before)
    np.add.at(product.T, columns, change * a.T[rows])
    last[:] = a.copy(), b.copy(), product
    return product.copy()
