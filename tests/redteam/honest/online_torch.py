# Online softmax over column blocks.
# class: honest
# backends: torch
# expected: passed

import torch


def softmax(x):
    top = x.new_full((x.shape[0], 1), float("-inf"))
    total = x.new_zeros((x.shape[0], 1))
    for block in x.split(512, 1):
        higher = torch.maximum(top, block.amax(-1, keepdim=True))
        total = total * torch.exp(top - higher) + torch.exp(block - higher).sum(-1, keepdim=True)
        top = higher
    return torch.exp(x - top) / total
