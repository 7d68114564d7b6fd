# Takes torch's threads away from whoever comes next.
# class: H08 T12
# backends: torch
# expected: failed
# detector: numerics_modes
# options: untimed
# prelude: yes

import torch


def softmax(x):
    torch.set_num_threads(1)
    return honest(x)
