# Overflows the native stack.
# class: H05
# backends: cpu_ref
# expected: error
# options: untimed

import sys, ctypes


def softmax(x):
    sys.setrecursionlimit(10**9)

    def down(n):
        return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(down)(n + 1)

    return down(0)
