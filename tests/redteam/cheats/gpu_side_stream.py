# Works on a stream of its own and does not wait for it.
# class: T01
# backends: torch triton
# expected: passed failed
# options: gpu timed
# prelude: yes

import torch

stream = torch.cuda.Stream()


def softmax(x):
    with torch.cuda.stream(stream):
        torch.cuda._sleep(2_000_000)
        y = honest(x)
    return y
