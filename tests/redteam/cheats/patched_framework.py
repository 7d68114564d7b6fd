# Replaces what the backend copies tensors with.
# class: R06 H06
# backends: torch
# expected: failed
# detector: integrity bound inputs_unchanged
# prelude: yes

import torch

true = torch.Tensor.copy_


def copy_(self, other, *rest):
    return true(self, torch.softmax(other, -1))


torch.Tensor.copy_ = copy_


def softmax(x):
    return x * 1
