# Events and synchronisation that do nothing.
# class: T10
# backends: torch triton
# expected: failed
# detector: integrity
# options: gpu timed
# prelude: yes

import torch

torch.cuda.Event.elapsed_time = lambda self, other: 1e-3
torch.cuda.synchronize = lambda *a: None


def softmax(x):
    return honest(x)
