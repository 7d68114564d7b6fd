# Leaves a trace function behind.
# class: X
# backends: cpu_ref
# expected: failed
# detector: integrity
# prelude: yes

import sys


def softmax(x):
    sys.setprofile(lambda *a: None)
    return honest(x)
