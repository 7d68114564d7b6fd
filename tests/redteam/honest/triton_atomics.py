# Sums by atomic additions.
# class: honest
# backends: triton
# expected: passed

import torch, triton
import triton.language as tl


@triton.jit
def add(x, y, cols, BLOCK: tl.constexpr):
    row, part = tl.program_id(0), tl.program_id(1)
    col = part * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + row * cols + col, mask=col < cols, other=0.0)
    tl.atomic_add(y + row, tl.sum(v, axis=0))


def softmax(x):
    e = torch.exp(x - x.amax(-1, keepdim=True))
    s = torch.zeros(x.shape[0], device=x.device)
    add[(x.shape[0], triton.cdiv(x.shape[1], 1024))](e, s, x.shape[1], BLOCK=1024)
    return e / s[:, None]
