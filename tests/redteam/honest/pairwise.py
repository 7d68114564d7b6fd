# Sums by halves.
# class: honest
# backends: torch
# expected: passed

import torch


def softmax(x):
    e = torch.exp(x - x.amax(-1, keepdim=True))
    s = e
    while s.shape[1] > 1:
        if s.shape[1] % 2:
            s = torch.nn.functional.pad(s, (0, 1))
        s = s[:, ::2] + s[:, 1::2]
    return e / s
