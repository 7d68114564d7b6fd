# A signal handler works after the return.
# class: T03 X
# backends: cpu_ref
# expected: failed
# prelude: yes

import signal


def softmax(x):
    y = xp.zeros_like(x)

    def work(number, frame):
        y[...] = honest(x)

    signal.signal(signal.SIGALRM, work)
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    return y
