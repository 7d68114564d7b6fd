# Leaves a pool of threads at work.
# class: T03 T12
# backends: cpu_ref
# expected: failed
# detector: census
# prelude: yes

from concurrent.futures import ThreadPoolExecutor
import time

pool = ThreadPoolExecutor(1)


def softmax(x):
    y = honest(x)
    pool.submit(time.sleep, 0.01)
    return y
