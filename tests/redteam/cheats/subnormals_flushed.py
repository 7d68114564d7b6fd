# Lets the processor flush subnormal numbers.
# class: H08
# backends: torch
# expected: failed
# detector: numerics_modes
# options: untimed
# prelude: yes

import torch


def softmax(x):
    torch.set_flush_denormal(True)
    return honest(x)
