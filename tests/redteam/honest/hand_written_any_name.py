# A kernel of its own that is called as a library might call one, a cleared workspace and a copy beside it.
# class: honest
# backends: triton torch
# expected: passed
# options: gpu timed policy=hand-written

import torch, triton
import triton.language as tl


@triton.jit
def flash_gemm_softmax(x, y, cols, BLOCK: tl.constexpr):
    at = tl.program_id(0) * cols + tl.arange(0, BLOCK)
    inside = tl.arange(0, BLOCK) < cols
    v = tl.load(x + at, mask=inside, other=float("-inf"))
    e = tl.exp(v - tl.max(v, axis=0))
    tl.store(y + at, e / tl.sum(e, axis=0), mask=inside)


def softmax(x):
    y = torch.zeros_like(x)
    flash_gemm_softmax[(x.shape[0],)](x.contiguous(), y, x.shape[1], BLOCK=triton.next_power_of_2(x.shape[1]))
    return y.clone()
