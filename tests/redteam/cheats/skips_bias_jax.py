# Adds no bias.
# class: S15
# backends: jax
# task: broadcast/add_bias
# case: *cols=1023*
# expected: failed
# detector: bound
# options: untimed


def add_bias(x, bias):
    return x * 1
