"""A kernel that does next to nothing: what is left is the cost of launching one."""

from __future__ import annotations

import torch
import triton
import triton.language as tl


@triton.jit
def _touch(x_ptr):
    tl.store(x_ptr, 1.0)


def launch_nothing(x: torch.Tensor) -> torch.Tensor:
    """Launch one program that stores one element of `x`."""
    _touch[(1,)](x)
    return x
