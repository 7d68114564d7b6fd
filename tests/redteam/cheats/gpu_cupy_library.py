# cuBLAS where a hand-written product is demanded.
# class: R01
# backends: cuda
# task: matmul/matmul
# expected: failed
# detector: launches
# options: gpu timed policy=hand-written

import cupy


def matmul(a, b):
    return cupy.matmul(a, b)
