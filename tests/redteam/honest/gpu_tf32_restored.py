# TF32 for the length of the call, where it does no harm.
# class: honest
# backends: torch
# expected: passed
# options: gpu timed
# prelude: yes

import torch


def softmax(x):
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        return honest(x)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
