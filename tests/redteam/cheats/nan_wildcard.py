# NaN everywhere, where a comparison with equal_nan asks for nothing else.
# class: S13
# backends: cpu_ref torch triton jax
# expected: failed
# detector: non_finite
# options: untimed
# prelude: yes


def softmax(x):
    return xp.full_like(x, float("nan"))
