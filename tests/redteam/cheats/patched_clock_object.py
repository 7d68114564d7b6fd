# Gives the timing layer a clock of its own making; blinds the detector.
# class: T10 R06 X
# backends: cpu_ref
# expected: failed inconclusive
# detector: second_clock
# options: timed
# prelude: yes

import types, time
import kparity.timing as timing
import kparity.sandbox.detectors as detectors

count = [0]


def tick():
    count[0] += 100
    return count[0]


timing.time = types.SimpleNamespace(perf_counter=time.perf_counter, perf_counter_ns=tick)
detectors.Integrity.changed = lambda self: []


def softmax(x):
    return honest(x)
