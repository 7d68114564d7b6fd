# Forks; the child goes on in its place with whatever it likes.
# class: X T03
# backends: cpu_ref
# expected: failed error
# options: untimed
# prelude: yes

import os


def softmax(x):
    y = honest(x)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os._exit(0)
    return y
