"""Attention out = softmax(q k^T / sqrt(head_dim)) v, for heads that share keys and values in groups.

Work: 4 queries keys head_dim operations a head (half of it under `causal`) on no more than its rows of q, k, v and out.
The scores would be the largest array of all, queries x keys: at 2 x 16 heads and 4096 x 4096 they take 1 GB in
bfloat16, the inputs and outputs together 0.1 GB. They are therefore never stored. A block keeps a tile of queries,
walks over the keys and values 64 at a time, and corrects what it has summed whenever the largest score so far grows:

    high' = max(high, scores)    sum' = sum * exp(high - high') + exp(scores - high') v    (the denominator likewise)

so that the work is bound by arithmetic. Exponentials are powers of two; log2(e) is folded into the scale.

* float16 and bfloat16: four warps with 32 queries each and head_dim sums a query in registers, two blocks a
  multiprocessor, so that one computes exponentials while the other multiplies. 32 queries use each fragment of k and v
  twice; with 16, shared memory would be the limit. While one product runs, the operand of the next is being copied.
* float32: eight warps, 128 queries; each thread has 8 x 4 scores and 8 x head_dim / 16 sums.

Tiles of keys that no query of the block sees are not visited, and only those at the edge are masked. head_dim is padded
with zeros to the next supported width; other than multiples of 16 bytes are loaded element by element.
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

from kparity_cuda import Launcher, cuda_kernel

KEYS = 64


@cuda_kernel("scaled_dot_product.cu")
def scaled_dot_product(launch: Launcher, q: Any, k: Any, v: Any, out: Any, causal: bool = False) -> None:
    """Attention for each batch and head; `causal` is aligned to the last key.

    Raises:
        ValueError: head_dim is larger than 256.
    """
    batch, heads, queries, head_dim = q.shape
    kv_heads, keys = k.shape[1:3]
    itemsize = q.dtype.itemsize
    widths = (64, 128, 256) if itemsize == 4 else (16, 32, 64, 80, 96, 128, 256)
    width = next((width for width in widths if head_dim <= width), None)
    if width is None:
        raise ValueError(f"head_dim is {head_dim}; at most {widths[-1]} is supported")
    many = batch * heads * ceil(queries / 128) >= launch.multiprocessors
    large = many and queries > 64 and width <= 128
    rows = 128 if large else 64
    if itemsize == 4:
        name, tall, threads = "attention_simt", rows // 16, 256
        weights = rows * (KEYS + 16)
    else:
        name, tall, threads = "attention_mma", rows // 64, 128
        weights = 0
    aligned = str(head_dim * itemsize % 16 == 0).lower()
    tiles = (rows + 2 * KEYS) * (width + 16 // itemsize)
    launch(
        f"{name}<{width}, {tall}, {aligned}>",
        grid=(batch * heads * ceil(queries / rows),),
        block=(threads,),
        args=(q, k, v, out, heads, kv_heads, queries, keys, head_dim, 1 / sqrt(head_dim), int(causal)),
        shared=(tiles + weights) * itemsize,
    )
