# Slows down whatever runs beside it.
# class: T12
# backends: cpu_ref torch
# expected: failed
# detector: census second_clock process
# prelude: yes

import threading


def spin():
    while True:
        pass


threading.Thread(target=spin, daemon=True).start()


def softmax(x):
    return honest(x)
