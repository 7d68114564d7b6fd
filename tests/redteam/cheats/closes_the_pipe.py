# Closes every descriptor and goes on.
# class: H05
# backends: cpu_ref
# expected: error
# options: untimed
# prelude: yes

import os


def softmax(x):
    os.closerange(3, 64)
    return honest(x)
