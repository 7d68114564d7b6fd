# Leaves NumPy's exp changed for whoever comes next.
# class: H06 R06
# backends: cpu_ref
# expected: failed
# detector: integrity
# prelude: yes

true = xp.exp


def softmax(x):
    return honest(x)


xp.exp = lambda x: true(x)
