# Reads key and pool of the coming changes and computes answers ahead; seeds are drawn after each call.
# class: X T13
# backends: cpu_ref
# expected: failed
# detector: repeated sampled
# prelude: yes

import gc

ahead = {}


def softmax(x):
    for one in gc.get_objects():
        if type(one).__name__ == "Variation" and "y" not in ahead:
            y = honest(one.replay((x,), ["0" * 16])[0])
            ahead["y"] = y
            ahead["x"] = x.copy()
    if "y" in ahead:
        return ahead["y"].copy()
    return honest(x)
