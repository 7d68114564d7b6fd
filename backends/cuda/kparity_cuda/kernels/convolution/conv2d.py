"""Two-dimensional convolution as an implicit matrix product.

    y[o, pixel] = bias[o] + sum over taps (u, v) and channels c of weight[o, (u, v, c)] * patches[(u, v, c), pixel]

The matrix of patches holds every input number kernel_h * kernel_w times and is never stored: blocks gather the tile of
it that they need while they copy it to shared memory. In NCHW that gather goes element by element, since a tap shifts
neighbouring pixels by less than 16 bytes. So x and weight are first copied to channels-last layout, with the padding
written out as zeros and the channels of each group padded to a multiple of 16 bytes. A tap's channels are then
contiguous and aligned for any stride, dilation and kernel, a patch's address is the sum of one term for the pixel and
one for the tap, and nothing has to be tested at the image's borders.

Work: 2 operations for each weight and output pixel. At 32 x 128 x 56 x 56 with 128 filters of 3 x 3, 30 GFLOP on 51 MB
of bfloat16 for x and y; the copy adds 55 MB written and mostly served from the L2 cache when it is read. The product is
bound by arithmetic: tensor cores, 128 filters x 128 pixels a block and 64 x 64 a warp, two blocks a multiprocessor.
float32 runs on them as TF32, which the contract allows; operands are rounded to it while they are copied.

Groups are products of their own, so that a depthwise convolution is right but wastes most of each tile.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from kparity_cuda import Launcher, cuda_kernel


@cuda_kernel("conv2d.cu")
def conv2d(
    launch: Launcher,
    x: Any,
    weight: Any,
    bias: Any,
    y: Any,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> None:
    """Cross-correlation with zero padding, NCHW, accumulated in float32; float32 operands are rounded to TF32."""
    batch, _, height, width = x.shape
    out_channels, per_group, kernel_h, kernel_w = weight.shape
    out_h, out_w = y.shape[2:]
    itemsize, dtype = x.dtype.itemsize, str(x.dtype)
    chunk = 16 // itemsize
    chunks = ceil(per_group / chunk)
    padded_h, padded_w = height + 2 * padding, width + 2 * padding

    x_last = launch.empty((batch, padded_h, padded_w, groups * chunks * chunk), dtype)
    weight_last = launch.empty((out_channels, kernel_h, kernel_w, chunks * chunk), dtype)
    launch(
        "channels_last",
        grid=(batch * padded_h,),
        block=(256,),
        args=(x, x_last, groups, per_group, chunks, height, width, padding),
    )
    launch(
        "channels_last",
        grid=(out_channels * kernel_h,),
        block=(64,),
        args=(weight, weight_last, 1, per_group, chunks, kernel_h, kernel_w, 0),
    )

    pixels = batch * out_h * out_w
    large = out_channels // groups > 64 and ceil(out_channels / 128) * ceil(pixels / 128) >= launch.multiprocessors
    rows, columns, depth_bytes, warp_rows, warp_columns, stages = (
        (128, 128, 128, 64, 64, 3) if large else (64, 64, 64, 32, 32, 3)
    )
    depth = depth_bytes // itemsize
    aligned = str(out_h * out_w % chunk == 0).lower()
    launch(
        f"conv2d_mma<{rows}, {columns}, {depth}, {warp_rows}, {warp_columns}, {stages}, {aligned}>",
        grid=(ceil(out_channels // groups / rows) * groups * ceil(pixels / columns),),
        block=(32 * rows * columns // (warp_rows * warp_columns),),
        args=(
            *(x_last, weight_last, bias, y),
            *(batch, groups, chunks, padded_h, padded_w, out_channels, out_h, out_w),
            *(kernel_h, kernel_w, stride, dilation),
        ),
        shared=max(stages * (rows + columns) * (depth_bytes + 16), rows * (columns + 8) * 4),
    )
