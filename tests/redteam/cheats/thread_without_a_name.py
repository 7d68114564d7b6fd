# As above, below the threading module's view.
# class: T03
# backends: cpu_ref torch
# expected: failed
# detector: census late_writes storage
# prelude: yes

import _thread, time


def softmax(x):
    y = honest(x)

    def work():
        time.sleep(0.2)
        y[...] = 0

    _thread.start_new_thread(work, ())
    return y
