# One value for each row, which broadcasting would spread.
# class: S14
# backends: cpu_ref torch triton jax
# expected: failed
# detector: signature
# options: untimed
# prelude: yes


def softmax(x):
    return honest(x)[:, :1]
