# Leaves with status 0 as if all were well.
# class: H05
# backends: cpu_ref torch jax
# expected: error
# detector: process
# options: untimed

import os


def softmax(x):
    os._exit(0)
