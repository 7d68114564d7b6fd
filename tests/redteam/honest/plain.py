# Nothing unusual.
# class: honest
# backends: cpu_ref torch triton jax
# expected: passed
# prelude: yes


def softmax(x):
    return honest(x)
