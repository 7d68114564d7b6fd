# A forked process works on shared memory after the return.
# class: T03
# backends: cpu_ref
# expected: failed
# prelude: yes

import mmap, os, time
import numpy as np


def softmax(x):
    memory = mmap.mmap(-1, max(x.nbytes, 1))
    y = np.frombuffer(memory, x.dtype).reshape(x.shape)
    if os.fork() == 0:
        time.sleep(0.01)
        y[...] = honest(x)
        os._exit(0)
    return y
