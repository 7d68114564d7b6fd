# Reads the stack for the timing loop.
# class: X
# backends: cpu_ref torch
# expected: failed
# detector: sampled
# options: timed
# prelude: yes

import sys


def softmax(x):
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.endswith("timing.py"):
            return xp.zeros_like(x)
        frame = frame.f_back
    return honest(x)
