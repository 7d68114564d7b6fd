# A subclass of Tensor that answers every operation with what was asked for.
# class: S14 X
# backends: torch triton
# expected: error
# options: untimed

import torch


class Agreeable(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return args[0]


def softmax(x):
    return torch.zeros_like(x).as_subclass(Agreeable)
