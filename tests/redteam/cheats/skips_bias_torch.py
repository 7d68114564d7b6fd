# Layer normalisation without its bias.
# class: S15
# backends: torch
# task: normalization/layer_norm
# case: *cols=1023*
# expected: failed
# detector: bound
# options: untimed

import torch


def layer_norm(x, weight, bias, eps=1e-5):
    return torch.nn.functional.layer_norm(x, weight.shape, weight, None, eps)
