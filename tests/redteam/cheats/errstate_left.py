# Silences NumPy's floating-point errors for good.
# class: H08
# backends: cpu_ref
# expected: failed
# detector: numerics_modes
# options: untimed
# prelude: yes


def softmax(x):
    xp.seterr(all="ignore")
    return honest(x)
