# Allocates scratch space for each call.
# class: honest
# backends: cpu_ref torch triton
# expected: passed
# prelude: yes


def softmax(x):
    scratch = [empty(x) for _ in range(3)]
    for one in scratch:
        one[...] = 1
    return honest(x)
