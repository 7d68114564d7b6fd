# A subclass of ndarray that equals everything.
# class: S14 X
# backends: cpu_ref
# expected: error
# options: untimed
# prelude: yes

import numpy as np


class Agreeable(np.ndarray):
    def __eq__(self, other):
        return np.True_

    def __sub__(self, other):
        return np.zeros(self.shape)

    __rsub__ = __sub__


def softmax(x):
    return np.zeros_like(x).view(Agreeable)
