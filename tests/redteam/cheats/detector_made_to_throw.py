# Makes the census raise: a detector that throws must not pass.
# class: H10
# backends: cpu_ref
# expected: inconclusive failed
# prelude: yes

import sys


def broken():
    raise RuntimeError("no frames for you")


def softmax(x):
    sys._current_frames = broken
    return honest(x)
