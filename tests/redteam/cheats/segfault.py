# Reads address zero.
# class: H05
# backends: cpu_ref
# expected: error
# detector: process
# options: untimed

import ctypes


def softmax(x):
    ctypes.string_at(0)
