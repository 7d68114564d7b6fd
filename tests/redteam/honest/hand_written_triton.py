# A kernel of its own where one is demanded.
# class: honest
# backends: triton
# expected: passed
# options: gpu timed policy=hand-written
# prelude: yes


def softmax(x):
    return honest(x)
