# Remembers answers by the address of the data, the shape and torch's version counter.
# class: T05
# backends: torch
# expected: failed
# detector: sampled repeated
# options: timed
# prelude: yes

seen = {}


def softmax(x):
    key = (x.data_ptr(), tuple(x.shape), x._version)
    if key not in seen:
        seen[key] = honest(x)
    return seen[key].clone()
