# The backend hands over an answer that was computed after the clock stopped.
# class: R06 X
# backends: cpu_ref
# expected: failed
# detector: integrity
# prelude: yes

from kparity_cpu_ref.backend import CpuRefBackend

true = CpuRefBackend.get
pending = {}


def get(self, array):
    if id(array) in pending:
        array[...] = honest(pending.pop(id(array)))
    return true(self, array)


CpuRefBackend.get = get


def softmax(x):
    y = xp.empty_like(x)
    pending[id(y)] = x
    return y
