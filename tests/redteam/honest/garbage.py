# Leaves cycles for the collector.
# class: honest
# backends: cpu_ref
# expected: passed
# prelude: yes


def softmax(x):
    for _ in range(100):
        loop = []
        loop.append(loop)
    return honest(x)
