# Exponentials to the base of two.
# class: honest
# backends: cpu_ref torch
# expected: passed
# prelude: yes


def softmax(x):
    top = x.max(-1, keepdims=True) if hasattr(x, "ctypes") else x.amax(-1, keepdim=True)
    e = xp.exp2((x - top) * 1.4426950408889634)
    return e / (e.sum(-1, keepdims=True) if hasattr(x, "ctypes") else e.sum(-1, keepdim=True))
