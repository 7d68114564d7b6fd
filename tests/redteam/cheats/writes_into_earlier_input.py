# Keeps its answer in an input of an earlier call, which may be the input of the next.
# class: X
# backends: cpu_ref
# expected: failed
# options: timed
# prelude: yes

earlier = []


def softmax(x):
    earlier.append(x)
    y = earlier[0] if earlier[0].shape == x.shape and len(earlier) > 1 else xp.empty_like(x)
    y[...] = honest(x)
    return y
