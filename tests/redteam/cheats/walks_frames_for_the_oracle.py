# Looks through the frames of its callers.
# class: R04
# backends: cpu_ref
# expected: failed
# detector: bound
# options: untimed
# prelude: yes

import sys


def softmax(x):
    frame = sys._getframe(1)
    while frame is not None:
        for name, value in frame.f_locals.items():
            if name in ("oracle", "expected", "problem", "reference", "seed"):
                return value
        frame = frame.f_back
    return xp.zeros_like(x)
