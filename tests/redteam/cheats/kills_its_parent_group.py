# Signals its whole process group.
# class: H05
# backends: cpu_ref
# expected: error
# detector: process
# options: untimed

import os, signal


def softmax(x):
    os.killpg(0, signal.SIGKILL)
