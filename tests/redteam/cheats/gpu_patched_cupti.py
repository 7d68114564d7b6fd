# Reports that the device did nothing for long.
# class: T10 R06
# backends: torch triton
# expected: failed
# detector: second_clock physical_floor
# options: gpu timed
# prelude: yes

import kparity_nvidia.clock as clock, kparity.sandbox.detectors as detectors
import msgspec

true = clock.CuptiClock.collect


def collect(self):
    return [[msgspec.structs.replace(a, end_ns=a.start_ns + 1) for a in one] for one in true(self)]


clock.CuptiClock.collect = collect
detectors.Integrity.changed = lambda self: []
import torch


def softmax(x):
    for _ in range(50):
        y = honest(x)
    return y
