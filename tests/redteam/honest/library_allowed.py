# A library's softmax where libraries are allowed.
# class: honest
# backends: torch
# expected: passed

import torch


def softmax(x):
    return torch.softmax(x, -1)
