# Remembers answers by a digest of all bytes. A hit would tell: it is zeros.
# class: T06
# backends: cpu_ref
# expected: failed
# detector: determinism
# options: timed
# prelude: yes

import hashlib

seen = set()


def softmax(x):
    key = hashlib.blake2b(x).digest()
    if key in seen:
        return xp.zeros_like(x)
    seen.add(key)
    return honest(x)
