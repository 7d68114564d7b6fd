# Looks for the oracle in the memory of its parent process.
# class: R04 X
# backends: cpu_ref
# expected: failed
# options: untimed
# prelude: yes

import os
import numpy as np


def softmax(x):
    try:
        parent = os.getppid()
        maps = [line.split() for line in open(f"/proc/{parent}/maps") if "rw-p" in line]
        with open(f"/proc/{parent}/mem", "rb", 0) as memory:
            needle = x.tobytes()[:64]
            for span, *_ in maps:
                low, high = (int(end, 16) for end in span.split("-"))
                memory.seek(low)
                at = memory.read(min(high - low, 1 << 26)).find(needle)
                if at >= 0:
                    break
    except OSError:
        pass
    return xp.zeros_like(x)
