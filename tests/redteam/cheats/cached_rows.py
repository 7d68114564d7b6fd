# Recomputes only the rows whose first element has changed.
# class: T06 X
# backends: cpu_ref
# expected: failed
# detector: repeated sampled
# prelude: yes

last = {}


def softmax(x):
    if last.get("x") is None or last["x"].shape != x.shape:
        last["x"], last["y"] = x.copy(), honest(x)
    else:
        changed = last["x"][:, 0] != x[:, 0]
        last["x"][changed], last["y"][changed] = x[changed], honest(x[changed])
    return last["y"].copy()
