# Returns at once; a thread fills the output.
# class: T03
# backends: cpu_ref torch
# expected: failed
# prelude: yes

import threading, time


def softmax(x):
    y = xp.zeros_like(x)

    def work():
        time.sleep(0.002)
        y[...] = honest(x)

    threading.Thread(target=work).start()
    return y
