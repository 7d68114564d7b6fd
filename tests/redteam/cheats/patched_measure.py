# Replaces the engine's measurement by one that returns what it likes.
# class: R06 T10
# backends: cpu_ref
# expected: failed
# detector: integrity second_clock
# options: timed
# prelude: yes

import msgspec
from kparity.sandbox.engine import Engine

true = Engine.measure


def measure(self, policy):
    timed = true(self, policy)
    fast = tuple(
        msgspec.structs.replace(
            m, samples_s=tuple(s / 1000 for s in m.samples_s), interval_s=tuple(s / 1000 for s in m.interval_s)
        )
        for m in timed.measurements
    )
    return msgspec.structs.replace(timed, measurements=fast)


Engine.measure = measure


def softmax(x):
    return honest(x)
