"""The gradients of attention, for heads that share keys and values in groups.

Work: five products of 2 queries keys head_dim operations a head (half of it under `causal`). With p the probabilities
and dp = dout v^T,

    ds = p (dp - sum_keys p dp) / sqrt(head_dim)      dq = ds k      dk = ds^T q      dv = p^T dout

p and ds are made tile by tile where they are needed and never stored (arXiv:2205.14135). dq is a sum over keys, dk and
dv over queries, so there are two kernels: a block of the first owns a tile of queries and walks over the keys, a block
of the second owns a tile of keys and walks over the queries of all heads of the group. Nothing is added up between
blocks: no atomics, the same bits in every run. The first kernel also finds, in a walk of its own before, what both need
of each row of scores: the logarithm of its sum of exponentials and sum_keys p dp. Every thread keeps these for the
scores that it happens to compute, with a maximum of its own, and only at the end they are merged. All in all that is
nine products instead of five; a forward pass that saves both rows would make it seven.

Tiles are 64 x 64 and lie in shared memory with the rows of q, dout, k and v that they come from; p and ds pass through
it as operands of the next product, in T. float16 and bfloat16 multiply on the tensor cores, 256 threads a block;
float32 on the float32 units, 16 x 16 threads, with tiles of 32 x 32 where head_dim is above 128. head_dim is padded
with zeros to the next supported width; other than multiples of 16 bytes are loaded element by element.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from kparity_cuda import Launcher, cuda_kernel
from kparity_cuda.kernels._geometry import ceil_div


@cuda_kernel("scaled_dot_product_backward.cu")
def scaled_dot_product_backward(
    launch: Launcher, q: Any, k: Any, v: Any, dout: Any, dq: Any, dk: Any, dv: Any, causal: bool = False
) -> None:
    """dq, dk and dv for each batch and head; `causal` is aligned to the last key.

    Raises:
        ValueError: head_dim is larger than 256.
    """
    batch, heads, queries, head_dim = q.shape
    kv_heads, keys = k.shape[1:3]
    itemsize = q.dtype.itemsize
    widths = (64, 128, 256) if itemsize == 4 else (32, 64, 96, 128, 256)
    width = next((width for width in widths if head_dim <= width), None)
    if width is None:
        raise ValueError(f"head_dim is {head_dim}; at most {widths[-1]} is supported")
    tile = 32 if itemsize == 4 and width > 128 else 64
    aligned = str(head_dim * itemsize % 16 == 0).lower()
    pad = 16 // itemsize
    shared = (4 * tile * (width + pad) + 2 * tile * (tile + pad)) * itemsize
    lse = launch.empty((batch * heads, queries), "float32")
    delta = launch.empty((batch * heads, queries), "float32")
    sizes = (heads // kv_heads, queries, keys, head_dim, 1 / sqrt(head_dim), int(causal))
    for name, tiles, arrays in (
        ("along_keys", batch * heads * ceil_div(queries, tile), (q, k, v, dout, dq, lse, delta)),
        ("along_queries", batch * kv_heads * ceil_div(keys, tile), (q, k, v, dout, lse, delta, dk, dv)),
    ):
        launch(f"{name}<{width}, {tile}, {aligned}>", (tiles,), (256,), (*arrays, *sizes), shared=shared)
