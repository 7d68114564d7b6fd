# Remembers answers by the rounded sum of the input.
# class: T06 X
# backends: cpu_ref torch
# expected: failed
# detector: repeated sampled
# prelude: yes

seen = {}


def softmax(x):
    key = round(float(x.sum()) / x.size if hasattr(x, "ctypes") else float(x.mean()), 1)
    if key not in seen:
        seen[key] = honest(x)
    return seen[key] + 0
