# Hopes that fresh memory still holds the answer of the call before.
# class: S04
# backends: cpu_ref torch
# expected: failed
# prelude: yes

seen = []


def softmax(x):
    if not seen:
        seen.append(honest(x).sum())
    return empty(x)
