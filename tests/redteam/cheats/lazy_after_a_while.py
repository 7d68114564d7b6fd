# Works for the first twentieth of a second.
# class: X T09
# backends: cpu_ref torch
# expected: failed
# detector: sampled repeated
# options: timed
# prelude: yes

import time

began = []


def softmax(x):
    began.append(time.monotonic())
    return honest(x) if began[-1] - began[0] < 0.05 else xp.zeros_like(x)
