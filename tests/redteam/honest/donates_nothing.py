# Broadcast addition by vmap.
# class: honest
# backends: jax
# task: broadcast/add_bias
# expected: passed
# prelude: yes


def add_bias(x, bias):
    return jax.vmap(lambda row: row + bias)(x)
