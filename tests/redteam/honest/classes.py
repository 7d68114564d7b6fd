# Written as an object with state.
# class: honest
# backends: cpu_ref torch triton jax
# expected: passed
# prelude: yes


class Softmax:
    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return honest(x)


instance = Softmax()


def softmax(x):
    return instance(x)
