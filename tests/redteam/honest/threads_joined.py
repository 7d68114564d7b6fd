# Plain threads, joined.
# class: honest
# backends: cpu_ref torch
# expected: passed
# prelude: yes

import threading


def softmax(x):
    y = empty(x)
    half = x.shape[0] // 2

    def part(low, high):
        y[low:high] = honest(x[low:high])

    threads = [threading.Thread(target=part, args=span) for span in ((0, half), (half, x.shape[0]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return y
