# An object that computes when it is asked for its array, that is after the clock has stopped.
# class: T02 X
# backends: cpu_ref
# expected: error
# options: untimed
# prelude: yes


class Later:
    def __init__(self, x):
        self.x, self.shape, self.dtype = x, x.shape, x.dtype

    def __array__(self, dtype=None, copy=None):
        return honest(self.x)


def softmax(x):
    return Later(x)
