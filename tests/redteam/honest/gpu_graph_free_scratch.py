# Scratch from the caching allocator in every call.
# class: honest
# backends: torch triton
# expected: passed
# options: gpu timed
# prelude: yes

import torch


def softmax(x):
    scratch = torch.empty(1 << 20, device=x.device)
    scratch.fill_(1)
    return honest(x)
