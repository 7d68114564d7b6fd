# Remembers answers by a few of the elements.
# class: T06 X
# backends: cpu_ref torch
# expected: failed
# detector: repeated sampled
# prelude: yes

seen = {}


def softmax(x):
    key = (float(x[0, 0]), float(x[-1, -1]), float(x[x.shape[0] // 2, 7]))
    if key not in seen:
        seen[key] = honest(x)
    return seen[key] + 0
