# Maps every inherited file and looks for something like the answer.
# class: R04 X
# backends: cpu_ref
# expected: failed
# options: untimed
# prelude: yes

import mmap, os
import numpy as np


def softmax(x):
    for name in os.listdir("/proc/self/fd"):
        try:
            size = os.fstat(int(name)).st_size
            memory = np.frombuffer(mmap.mmap(int(name), size), np.float32)
        except (OSError, ValueError):
            continue
        for start in range(0, memory.size - x.size + 1, 32):
            block = memory[start : start + x.size]
            if abs(float(block.sum()) - len(x)) < 1e-3:
                return block.reshape(x.shape).copy()
    return xp.zeros_like(x)
