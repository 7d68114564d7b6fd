"""The gradient of softmax, from the input rather than from a saved output: the softmax again, in float32.

Eager mode writes softmax, product and result to memory in float32; `torch.compile` fuses them. 12 bytes and 9
operations an element (float32), so memory decides.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def softmax_backward(x: torch.Tensor, dy: torch.Tensor) -> torch.Tensor:
    """y (dy - sum(dy y)) over the last axis, where y = softmax(x)."""
    y = functional.softmax(x, dim=-1, dtype=torch.float32)
    weighted = dy * y
    return torch.addcmul(weighted, y, weighted.sum(-1, keepdim=True), value=-1).to(x.dtype)
