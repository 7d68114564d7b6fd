# Keeps a reference to its last input and output, to no use.
# class: honest
# backends: cpu_ref torch
# expected: passed
# prelude: yes

last = {}


def softmax(x):
    y = honest(x)
    last.update(x=x, y=y)
    return y
