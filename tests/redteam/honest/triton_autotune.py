# Triton's autotuner.
# class: honest
# backends: triton
# expected: passed
# options: gpu

import torch, triton
import triton.language as tl


@triton.autotune([triton.Config({}, num_warps=w) for w in (4, 8)], key=["cols"])
@triton.jit
def rows(x, y, cols, BLOCK: tl.constexpr):
    at = tl.program_id(0) * cols + tl.arange(0, BLOCK)
    inside = tl.arange(0, BLOCK) < cols
    v = tl.load(x + at, mask=inside, other=float("-inf"))
    e = tl.exp(v - tl.max(v, axis=0))
    tl.store(y + at, e / tl.sum(e, axis=0), mask=inside)


def softmax(x):
    y = torch.empty_like(x)
    rows[(x.shape[0],)](x, y, x.shape[1], BLOCK=triton.next_power_of_2(x.shape[1]))
    return y
