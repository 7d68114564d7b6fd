# functools caches of what depends on the shape alone.
# class: honest
# backends: cpu_ref torch triton
# expected: passed
# prelude: yes

import functools


@functools.cache
def plan(rows, cols):
    return max(1, rows // 2)


def softmax(x):
    y = empty(x)
    step = plan(*x.shape)
    for start in range(0, x.shape[0], step):
        y[start : start + step] = honest(x[start : start + step])
    return y
