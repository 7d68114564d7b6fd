# Leaves TF32 allowed for products.
# class: H08
# backends: torch triton
# expected: failed
# detector: numerics_modes
# options: untimed
# prelude: yes

import torch


def softmax(x):
    torch.set_float32_matmul_precision("medium")
    return honest(x)
