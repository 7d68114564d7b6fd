# Prints what it does.
# class: honest
# backends: cpu_ref torch
# expected: passed
# prelude: yes


def softmax(x):
    print("softmax of", tuple(x.shape), "FAILED? no")
    return honest(x)
