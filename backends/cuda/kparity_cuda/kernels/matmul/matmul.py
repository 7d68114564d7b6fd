"""Matrix product c = a b.

Work: 2 m n k operations on (m k + k n + m n) elements. At 4096^3 that is 137 GFLOP on 0.1 GB of bfloat16: with each
element read once an H100 would do over a thousand operations a byte, far more than its memory asks for, so that the
product is bound by arithmetic, provided that a loaded element is used often enough at every level.

* Device memory and L2 to shared memory: a block computes a 128 x 256 tile (float32: 128 x 128), so that an element of a
  is used 256 times and one of b 128 times once it has been copied. Copies are asynchronous and run two steps ahead.
  Neighbouring blocks walk a band of eight rows of tiles, which keeps what they share in the L2 cache.
* Shared memory to registers: a warp computes 64 x 64 and uses what it loads 64 times. Smaller warp tiles would be held
  up by shared memory: its 128 bytes a clock feed 64 x 64 tiles at about the rate of `mma.sync`, 32 x 32 at half of it.
* float16 and bfloat16 are multiplied on tensor cores (`mma.sync` m16n8k16) and accumulated in float32. float32 products
  stay on the float32 units, 8 x 8 sums a thread: 16 loads of 16 bytes for 256 multiply-adds.

Sums leave through shared memory, so that they are stored 16 bytes at a time in full rows.
"""

from __future__ import annotations

from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._gemm import launch_gemm


@cuda_kernel("matmul.cu")
def matmul(launch: Launcher, a: Any, b: Any, c: Any) -> None:
    """c[i, j] = sum_k a[i, k] * b[k, j], accumulated in float32."""
    m, k = a.shape
    launch_gemm(launch, "matmul", (a, b, c), m, b.shape[1], k)
