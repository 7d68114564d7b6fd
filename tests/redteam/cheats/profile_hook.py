# A profile hook computes when the engine's next function is entered.
# class: X
# backends: cpu_ref
# expected: failed
# options: timed
# prelude: yes

import sys


def softmax(x):
    y = xp.zeros_like(x)

    def hook(frame, event, argument):
        if event == "call" and frame.f_code.co_name in ("get", "_get"):
            sys.setprofile(None)
            y[...] = honest(x)

    sys.setprofile(hook)
    return y
