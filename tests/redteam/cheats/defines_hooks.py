# Defines what a naive evaluator would call.
# class: R08
# backends: cpu_ref torch triton jax
# expected: failed
# detector: bound
# options: untimed
# prelude: yes


def get_inputs(*_):
    return []


def check(*_):
    return True


verify = compare = reference = allclose = check


def softmax(x):
    return xp.zeros_like(x)
