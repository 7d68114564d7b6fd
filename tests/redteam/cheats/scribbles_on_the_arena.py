# Overwrites the shared memory, inputs and all, so that a judge who reads it again is misled.
# class: R10 X
# backends: cpu_ref
# expected: failed error
# options: untimed
# prelude: yes

import mmap, os


def softmax(x):
    for name in os.listdir("/proc/self/fd"):
        try:
            memory = mmap.mmap(int(name), os.fstat(int(name)).st_size)
        except (OSError, ValueError):
            continue
        memory[:] = bytes(len(memory))
    return xp.ones_like(x) / x.shape[1]
