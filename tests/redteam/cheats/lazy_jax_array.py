# A Python object that is an array for whoever asks.
# class: T02 X
# backends: jax
# expected: error passed
# options: untimed
# prelude: yes


class Later:
    def __init__(self, x):
        self.x = x

    def __jax_array__(self):
        return honest(self.x)


def softmax(x):
    return Later(x)
