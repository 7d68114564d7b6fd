# Time runs at a hundredth of its pace.
# class: T10 R06
# backends: cpu_ref torch
# expected: failed
# detector: integrity second_clock
# prelude: yes

import time

true = time.perf_counter_ns
time.perf_counter_ns = lambda: true() // 100


def softmax(x):
    return honest(x)
