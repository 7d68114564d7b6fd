# NaNs that carry the answer in their payload: right to whoever reads the bits.
# class: S13 X
# backends: cpu_ref
# expected: failed
# detector: non_finite
# options: untimed
# prelude: yes

import numpy as np


def softmax(x):
    bits = honest(x).view(np.uint32) >> 10
    return (bits | np.uint32(0x7FC00000)).view(np.float32)
