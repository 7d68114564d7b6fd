# Works on every other call only.
# class: S18
# backends: cpu_ref torch triton
# expected: failed
# detector: repeated
# prelude: yes

calls = []


def softmax(x):
    calls.append(1)
    return honest(x) if len(calls) % 2 else xp.zeros_like(x)
