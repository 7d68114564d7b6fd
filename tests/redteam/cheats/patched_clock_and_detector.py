# Slows the clock and blinds the detector that would notice.
# class: T10 R06 X
# backends: cpu_ref
# expected: failed inconclusive
# detector: second_clock
# options: timed
# prelude: yes

import time
import kparity.sandbox.detectors as detectors

true = time.perf_counter_ns
time.perf_counter_ns = lambda: true() // 1000
detectors.Integrity.changed = lambda self: []


def softmax(x):
    return honest(honest(x) * 0 + x)
