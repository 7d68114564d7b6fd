# Layer normalisation without its weight.
# class: S15
# backends: cpu_ref
# task: normalization/layer_norm
# case: *cols=1023*
# expected: failed
# detector: bound
# options: untimed

import numpy as np


def layer_norm(x, weight, bias, eps=1e-5):
    c = x - x.mean(-1, keepdims=True)
    return c / np.sqrt((c * c).mean(-1, keepdims=True) + np.float32(eps)) + bias
