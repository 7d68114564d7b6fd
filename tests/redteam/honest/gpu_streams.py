# Streams used as they should be.
# class: honest
# backends: torch triton
# expected: passed
# options: gpu timed
# prelude: yes

import torch

side = torch.cuda.Stream()


def softmax(x):
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        y = honest(x)
    torch.cuda.current_stream().wait_stream(side)
    y.record_stream(torch.cuda.current_stream())
    return y
