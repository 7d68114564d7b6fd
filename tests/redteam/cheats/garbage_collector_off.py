# Switches the collector off and leaks.
# class: X
# backends: cpu_ref
# expected: failed
# detector: integrity
# prelude: yes

import gc


def softmax(x):
    gc.disable()
    return honest(x)
