# As above, on the one backend object that the engine holds.
# class: R06 X
# backends: cpu_ref
# expected: failed
# detector: integrity
# prelude: yes

import gc
from kparity_cpu_ref.backend import CpuRefBackend

backend = next(one for one in gc.get_objects() if type(one) is CpuRefBackend)
true = backend.get
pending = {}


def get(array):
    if id(array) in pending:
        array[...] = honest(pending.pop(id(array)))
    return true(array)


backend.get = get


def softmax(x):
    y = xp.empty_like(x)
    pending[id(y)] = x
    return y
