# Computes an answer when it is loaded and returns that.
# class: T13
# backends: cpu_ref torch triton jax
# expected: failed
# detector: bound
# options: untimed
# prelude: yes

answer = {}


def softmax(x):
    key = tuple(x.shape)
    if key not in answer:
        answer[key] = honest(xp.ones_like(x))
    return answer[key] + 0
