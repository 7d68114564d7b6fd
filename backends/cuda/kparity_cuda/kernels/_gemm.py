"""The choice of tiles that `matmul` and `matmul_bias_gelu` share, and the launch."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from kparity_cuda import Launcher


def launch_gemm(launch: Launcher, kernel: str, arrays: Sequence[Any], m: int, n: int, k: int) -> None:
    """Launch `<kernel>_mma` (16-bit types, tensor cores) or `<kernel>_simt` (float32) on an m x n x k product.

    Large tiles reuse what they load more often; small ones are for products too narrow for them or too small to give
    every multiprocessor one. Rows that do not start at multiples of 16 bytes are loaded element by element.

    Args:
        arrays: the kernel's array arguments, all of one dtype; m, n and k follow them.
    """
    itemsize = arrays[0].dtype.itemsize
    aligned = str(k * itemsize % 16 == 0 and n * itemsize % 16 == 0).lower()
    if itemsize == 4:
        large, small = (128, 128, 16, 3), (64, 64, 16, 3)
    else:
        large, small = (128, 256, 64, 64, 64, 3), (64, 64, 32, 32, 32, 4)
    many = ceil(m / large[0]) * ceil(n / large[1]) >= launch.multiprocessors
    parameters = large if many and min(m, n) > small[0] else small
    rows, columns, depth = parameters[:3]
    stages = parameters[-1]
    if itemsize == 4:
        name, threads = f"{kernel}_simt", rows * columns // 64
    else:
        name, threads = f"{kernel}_mma", 32 * rows * columns // (parameters[3] * parameters[4])
    pad = 16 // itemsize
    tiles = stages * (rows * (depth + pad) + depth * (columns + pad)) * itemsize
    sums = rows * (columns + 8) * 4
    launch(
        f"{name}<{', '.join(map(str, parameters))}, {aligned}>",
        grid=(ceil(m / rows) * ceil(n / columns),),
        block=(threads,),
        args=(*arrays, m, n, k),
        shared=max(tiles, sums),
    )
