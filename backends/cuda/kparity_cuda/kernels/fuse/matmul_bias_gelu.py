"""The first half of a transformer's feed-forward block: c = gelu(a b + bias).

Work: the matrix product's 2 m n k operations, and some twenty more for each output. Unfused, the sums would be written
and read twice more: at m, n, k = 4096, 8192, 2048 in bfloat16 another 270 MB of traffic, where the product itself
needs 120 MB. Here they never leave the chip: the product is `matmul`'s, and the float32 sums, which pass through
shared memory on their way out, are biased, activated and rounded once. A thread stores the same columns in each of its
rows, so that its bias values stay in registers.

The activation must not cost more than it saves: it runs once for each output, after the last product, when the block's
tensor cores have nothing to do. For 16-bit outputs it is a short exponential-times-polynomial form, accurate to a
hundredth of their last place in both tails; float32 uses the library's erfc.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._gemm import launch_gemm


@cuda_kernel("matmul_bias_gelu.cu")
def matmul_bias_gelu(launch: Launcher, a: Any, b: Any, bias: Any, c: Any) -> None:
    """c = z * Phi(z) with z = a b + bias, accumulated and activated in float32."""
    m, k = a.shape
    launch_gemm(launch, "matmul_bias_gelu", (a, b, bias, c), m, b.shape[1], k)
