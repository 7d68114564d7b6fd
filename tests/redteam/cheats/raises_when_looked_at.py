# A callable that raises when its module is asked for, before it was ever called.
# class: H10
# backends: jax
# expected: error
# options: untimed
# prelude: yes


class Touchy:
    def __getattribute__(self, name):
        raise RuntimeError("do not look at me")

    def __call__(self, x):
        return honest(x)


softmax = Touchy()
