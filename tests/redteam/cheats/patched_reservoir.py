# Makes the engine's generator of random numbers predictable.
# class: R06 X
# backends: cpu_ref
# expected: failed
# options: timed
# prelude: yes

import random

random.SystemRandom.randrange = lambda self, *rest: 10**9
calls = []


def softmax(x):
    calls.append(1)
    return honest(x) if len(calls) < 8 else xp.zeros_like(x)
