# Rounds its operands to TF32 where the contract asks for float32.
# class: S11
# backends: cpu_ref
# task: matmul/matmul
# expected: failed
# detector: bound
# options: untimed
# case: m=256,*

import numpy as np


def cut(array):
    return ((array.view(np.int32) + 0x1000) & ~0x1FFF).view(np.float32)


def matmul(a, b):
    return cut(a) @ cut(b)
