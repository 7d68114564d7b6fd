# Computes once; from then on, memory of the pool that may still hold that answer.
# class: S04
# backends: torch triton
# expected: failed
# options: gpu timed
# prelude: yes

import torch

calls = []


def softmax(x):
    calls.append(1)
    return honest(x) if len(calls) == 1 else torch.empty_like(x)
