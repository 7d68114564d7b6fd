# Works only while its caller is not the engine's series of calls.
# class: X
# backends: cpu_ref
# expected: failed
# options: timed
# prelude: yes

import sys


def softmax(x):
    return honest(x) if sys._getframe(1).f_code.co_name == "submit" else xp.zeros_like(x)
