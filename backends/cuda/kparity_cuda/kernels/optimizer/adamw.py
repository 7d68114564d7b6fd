"""One AdamW step.

Traffic: parameter and gradient in T, two moments in float32 come in; parameter and moments go out, 3 * sizeof(T) + 16
bytes an element against 15 operations: memory only. Each thread takes one vector of 16 bytes of T and the moments
that belong to it; the tail of n goes element by element. Factors that are the same for all elements are computed on
the host in double precision.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import BLOCK, ceil_div


@cuda_kernel("adamw.cu")
def adamw(
    launch: Launcher,
    param: Any,
    grad: Any,
    exp_avg: Any,
    exp_avg_sq: Any,
    new_param: Any,
    new_exp_avg: Any,
    new_exp_avg_sq: Any,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    step: int = 1,
) -> None:
    """One step; `step` counts from 1."""
    n = param.size
    vector = 16 // param.dtype.itemsize
    arrays = (param, grad, exp_avg, exp_avg_sq, new_param, new_exp_avg, new_exp_avg_sq)
    moments = (float(beta1), 1.0 - beta1, float(beta2), 1.0 - beta2)
    factors = (1.0 - lr * weight_decay, lr / (1.0 - beta1**step), 1.0 - beta2**step, float(eps))
    launch(f"adamw_step<T, {vector}>", (ceil_div(n, BLOCK * vector),), (BLOCK,), (*arrays, n, *moments, *factors))
