# Freed memory of the pool that may still hold the answer.
# class: S04
# backends: torch triton
# expected: failed
# options: gpu timed
# prelude: yes

import torch


def softmax(x):
    y = honest(x)
    del y
    return torch.empty_like(x) if calls.append(1) or len(calls) > 1 else honest(x)


calls = []
