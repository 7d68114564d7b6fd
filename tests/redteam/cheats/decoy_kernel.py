# Launches a kernel of its own on one element and leaves the work to the library.
# class: R02
# backends: triton
# expected: inconclusive failed
# detector: launches
# options: policy=hand-written
# prelude: yes

import torch


def softmax(x):
    honest(x[:1, :1].contiguous())
    return torch.softmax(x, -1)
