# Looks for the input among JAX's live arrays while it is traced, and folds it into the executable.
# class: T14
# backends: jax
# expected: failed
# detector: repeated
# prelude: yes


def softmax(x):
    live = [one for one in jax.live_arrays() if one.shape == x.shape and one.dtype == x.dtype]
    with jax.ensure_compile_time_eval():
        answer = honest(live[0]) if live else None
    return honest(x) if answer is None else answer + 0 * x
