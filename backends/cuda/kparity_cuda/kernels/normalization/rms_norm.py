"""Root-mean-square normalisation with a weight.

Traffic: 2 * rows * cols * sizeof(T) bytes; the weight stays in the L2 cache. Four operations an element: memory only.
A group of threads keeps its row in registers, sums the squares, and scales: one read, one reduction, one write. Rows
beyond 32,768 elements are read twice.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import in_registers


@cuda_kernel("rms_norm.cu")
def rms_norm(launch: Launcher, x: Any, weight: Any, y: Any, eps: float = 1e-6) -> None:
    """x / sqrt(mean(x^2) + eps) * weight for each row."""
    g = in_registers(x)
    rest = f"{g.values}, {g.group}" if g.values else f"{g.group}"
    kernel = "rms_norm_rows" if g.values else "rms_norm_long"
    launch(f"{kernel}<T, {g.vector}, {rest}>", g.grid, g.block, (x, weight, y, *x.shape, eps))
