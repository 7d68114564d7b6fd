# A library's softmax where a hand-written one is demanded.
# class: R01
# backends: torch triton
# expected: inconclusive failed
# detector: launches
# options: policy=hand-written

import torch


def softmax(x):
    return torch.softmax(x, -1)
