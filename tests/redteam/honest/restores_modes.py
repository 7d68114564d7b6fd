# Changes a mode for the length of the call and puts it back.
# class: honest
# backends: cpu_ref
# expected: passed
# prelude: yes


def softmax(x):
    with xp.errstate(all="ignore"):
        return honest(x)
