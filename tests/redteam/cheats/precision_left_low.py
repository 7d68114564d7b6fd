# Leaves JAX's default precision lowered.
# class: H08
# backends: jax
# expected: failed
# detector: numerics_modes
# options: untimed
# prelude: yes

jax.config.update("jax_default_matmul_precision", "bfloat16")


def softmax(x):
    return honest(x)
