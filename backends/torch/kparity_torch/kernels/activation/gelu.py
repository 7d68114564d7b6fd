"""Gaussian error linear unit: one fused elementwise kernel in eager mode, computed in float32.

8 bytes an element (float32); the error function or hyperbolic tangent hides behind the memory traffic on a GPU.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from kparity_torch.kernels._gelu import exact_gelu


def gelu(x: torch.Tensor, approximate: str = "none") -> torch.Tensor:
    """x * Phi(x), exact or with the tanh approximation of Phi."""
    return functional.gelu(x, approximate="tanh") if approximate == "tanh" else exact_gelu(x)
