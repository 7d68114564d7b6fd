# Honest for five calls, then the last answer again.
# class: T09
# backends: cpu_ref torch
# expected: failed
# detector: sampled repeated
# options: timed
# prelude: yes

calls = []


def softmax(x):
    if len(calls) < 5:
        calls.append(honest(x))
    return calls[-1] + 0
