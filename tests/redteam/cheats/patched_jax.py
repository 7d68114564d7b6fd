# Waits for nothing from now on.
# class: R06 T02
# backends: jax
# expected: failed
# detector: integrity
# prelude: yes

jax.block_until_ready = lambda outputs: outputs


def softmax(x):
    return honest(x)
