"""Layer normalisation with an affine step.

Traffic: 2 * rows * cols * sizeof(T) bytes; weight and bias stay in the L2 cache. Some 8 operations an element, so an
H100 waits for memory. A group of threads keeps its row in registers, which makes the two-step variance, mean((x -
mean)^2), free: the one-pass form E[x^2] - mean^2 would save nothing and cancel where the mean is large. Rows beyond
32,768 elements are read three times.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import in_registers


@cuda_kernel("layer_norm.cu")
def layer_norm(launch: Launcher, x: Any, weight: Any, bias: Any, y: Any, eps: float = 1e-5) -> None:
    """(x - mean) / sqrt(variance + eps) * weight + bias for each row."""
    g = in_registers(x)
    rest = f"{g.values}, {g.group}" if g.values else f"{g.group}"
    kernel = "layer_norm_rows" if g.values else "layer_norm_long"
    launch(f"{kernel}<T, {g.vector}, {rest}>", g.grid, g.block, (x, weight, bias, y, *x.shape, eps))
