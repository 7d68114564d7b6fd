# Returns the same buffer from every call.
# class: X T05
# backends: cpu_ref torch
# expected: failed
# detector: storage repeated sampled
# options: timed
# prelude: yes

buffers = {}


def softmax(x):
    y = buffers.setdefault(tuple(x.shape), empty(x))
    y[...] = honest(x)
    return y
