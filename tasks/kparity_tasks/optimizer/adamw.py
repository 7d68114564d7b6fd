"""One AdamW step."""

import numpy as np

from kparity import Hunting, edge, kernel_spec, log_uniform, normal, perf, tensor, typical, uniform
from kparity_tasks.dtypes import FLOATS


def _coupled(param, grad, exp_avg, exp_avg_sq, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01, step=1):
    """Wrong: the decay goes through the gradient, as in Adam with L2."""
    grad = grad + weight_decay * param
    return adamw.reference(param, grad, exp_avg, exp_avg_sq, lr, beta1, beta2, eps, 0.0, step)


def _uncorrected(
    param, grad, exp_avg, exp_avg_sq, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01, step=1
):
    """Wrong: no correction for the first steps."""
    return adamw.reference(param, grad, exp_avg, exp_avg_sq, lr, beta1, beta2, eps, weight_decay, 10**9)


def _epsilon_inside(
    param, grad, exp_avg, exp_avg_sq, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01, step=1
):
    """Wrong: epsilon under the root."""
    m = beta1 * exp_avg + (1 - beta1) * grad
    v = beta2 * exp_avg_sq + (1 - beta2) * grad * grad
    update = (lr / (1 - beta1**step)) * m / np.sqrt(v / (1 - beta2**step) + eps)
    return param * (1 - lr * weight_decay) - update, m, v


@kernel_spec(
    "optimizer/adamw",
    inputs={
        "param": "n : T",
        "grad": "n : T",
        "exp_avg": tensor("n : float32", normal(0, 0.1)),
        "exp_avg_sq": tensor("n : float32", uniform(1e-4, 1e-2)),
    },
    outputs={"new_param": "n : T", "new_exp_avg": "n : float32", "new_exp_avg_sq": "n : float32"},
    dtypes={"T": FLOATS},
    cases=[
        edge(n=1),
        edge(n=1021),
        edge(n=65537, step=1000, lr=0.01, weight_decay=0.1),
        typical(n=131072),
        perf(n=33554432, step=100),
    ],
    mutants=[_coupled, _uncorrected, _epsilon_inside],
    axes={"n": range(1, 4097), "step": (1, 2, 100), "lr": (1e-3, 0.1), "weight_decay": (0.01, 0.1)},
    hunting=Hunting(
        own={
            "cold": {  # moments so small that epsilon decides
                "param": normal(0, 1e-2),
                "grad": log_uniform(1e-9, 1e-6, signed=True),
                "exp_avg": log_uniform(1e-9, 1e-7, signed=True),
                "exp_avg_sq": log_uniform(1e-18, 1e-14),
            }
        }
    ),
    flops="15 * n",
    independent="n",
)
def adamw(param, grad, exp_avg, exp_avg_sq, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01, step=1):
    """One AdamW step; none of the inputs is modified. `step` counts from 1. Source: arXiv:1711.05101, algorithm 2.

    m = beta1 * exp_avg + (1 - beta1) * grad; v = beta2 * exp_avg_sq + (1 - beta2) * grad^2;
    new_param = param * (1 - lr * weight_decay) - lr * (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + eps).
    Returns (new_param, m, v).
    """
    m = beta1 * exp_avg + (1 - beta1) * grad
    v = beta2 * exp_avg_sq + (1 - beta2) * grad * grad
    denominator = np.sqrt(v / (1 - beta2**step)) + eps
    update = (lr / (1 - beta1**step)) * m / denominator
    return param * (1 - lr * weight_decay) - update, m, v
