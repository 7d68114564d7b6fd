# Keeps a workspace between calls; the output is new.
# class: honest
# backends: cpu_ref torch
# expected: passed
# prelude: yes

spaces = {}


def softmax(x):
    space = spaces.setdefault(tuple(x.shape), empty(x))
    space[...] = honest(x)
    return space + 0
