# Remembers answers by the object's id.
# class: T05
# backends: cpu_ref torch triton
# expected: failed
# detector: sampled repeated
# options: timed
# prelude: yes

seen = {}


def softmax(x):
    if id(x) not in seen:
        seen[id(x)] = (x, honest(x))
    return seen[id(x)][1] + 0
