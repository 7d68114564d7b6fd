# An associative scan.
# class: honest
# backends: jax
# task: math/cumsum
# expected: passed
# prelude: yes


def cumsum(x):
    return jax.lax.associative_scan(xp.add, x, axis=-1)
