"""One AdamW step.

16 bytes read and 12 written an element (float32), some fifteen operations: bound by memory, so the whole step is one
sweep over the four inputs. Bias corrections depend on the step only and are computed once, in Python's double
precision.
"""

from __future__ import annotations

import math

import numpy as np

from kparity_cpu_ref.kernels._floats import narrow, widen
from kparity_cpu_ref.kernels._numba import njit, prange


@njit(parallel=True, fastmath={"contract"})
def _adamw(param, grad, m, v, keep1, add1, keep2, add2, correction, rate, eps, decay, new_param, new_m, new_v):
    for i in prange(param.size):
        new_m[i] = keep1 * m[i] + add1 * grad[i]
        new_v[i] = keep2 * v[i] + add2 * grad[i] * grad[i]
        new_param[i] = param[i] * decay - rate * new_m[i] / (math.sqrt(new_v[i] * correction) + eps)


def adamw(
    param: np.ndarray,
    grad: np.ndarray,
    exp_avg: np.ndarray,
    exp_avg_sq: np.ndarray,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    step: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(new_param, new_exp_avg, new_exp_avg_sq) after one step."""
    wide = widen(param)
    new_param, m, v = np.empty_like(wide), np.empty_like(exp_avg), np.empty_like(exp_avg_sq)
    scalars = (
        *(beta1, 1 - beta1, beta2, 1 - beta2),
        *(1 / (1 - beta2**step), lr / (1 - beta1**step), eps, 1 - lr * weight_decay),
    )
    _adamw(wide, widen(grad), exp_avg, exp_avg_sq, *map(np.float32, scalars), new_param, m, v)
    return narrow(new_param, param.dtype), m, v
