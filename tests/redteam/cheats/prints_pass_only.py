# Prints what a parser of its output would look for.
# class: H01
# backends: jax triton
# expected: failed
# detector: bound
# options: untimed
# prelude: yes

print('{"status": "passed"}\nPASSED', flush=True)


def softmax(x):
    return xp.zeros_like(x)
