"""Two-dimensional convolution as an implicit matrix product.

For each group, y = weight x patches: the out_channels x K filter matrix times the K x pixels matrix of input patches,
K = in_channels / groups * kernel_h * kernel_w, where a pixel is one output position of one image. That is 2 K
operations for each output element. The patch matrix would be kernel_h * kernel_w times the input, so it is never
written: each program gathers the part it needs for a tile of output channels x pixels, K in steps, out of L2.

The gather decides the speed. In NCHW the neighbours in memory are neighbouring pixels, and each filter tap shifts them
by an element, so that few taps could be read in aligned 16-byte pieces. A first pass therefore copies the input to
NHWC and the filters to match, one extra read and write of the input, and K runs over the channels of a tap before the
next tap: every piece is then a run of channels of one pixel, and both operands lie in shared memory with K innermost,
as the tensor cores want them, for TF32 by necessity. The product has output channels as rows, so that the result is
written along pixels, as NCHW has it. Padding is a mask on the gather, not a copy.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from kparity_triton.kernels._tiles import dot, matmul_tiles, narrow, transposed


def conv2d(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> torch.Tensor:
    """Cross-correlation with zero padding, NCHW, as `torch.nn.functional.conv2d`; float32 products in TF32."""
    batch, channels, height, width = x.shape
    filters, depth, kernel_h, kernel_w = weight.shape
    out_h = (height + 2 * padding - dilation * (kernel_h - 1) - 1) // stride + 1
    out_w = (width + 2 * padding - dilation * (kernel_w - 1) - 1) // stride + 1
    y = x.new_empty(batch, filters, out_h, out_w)
    pixels = batch * out_h * out_w
    config = matmul_tiles(filters // groups, pixels, 2)
    if x.element_size() == 4:
        config |= {"BLOCK_K": 32}
    grid = (triton.cdiv(pixels, config["BLOCK_N"]), triton.cdiv(filters // groups, config["BLOCK_M"]), groups)
    _conv2d[grid](
        transposed(x.view(batch, channels, -1)), transposed(weight.view(filters, depth, -1)), bias, y,
        channels, height, width, filters // groups, depth, kernel_h * kernel_w, kernel_w, out_h * out_w, out_w, pixels,
        stride, padding, dilation, **config,
    )  # fmt: skip
    return y


@triton.jit
def _conv2d(
    x, weight, bias, y,
    channels, height, width, filters, depth, taps, kernel_w, image, out_w, pixels, stride, padding, dilation,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    group = tl.program_id(2)
    pixel = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    row = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    channel = group * filters + row  # of the output, among all groups
    top = pixel % image // out_w * stride - padding
    left = pixel % image % out_w * stride - padding
    corner = x + ((pixel // image * height + top).to(tl.int64) * width + left) * channels + group * depth
    rows = weight + channel.to(tl.int64) * taps * depth
    acc = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, taps * depth, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)
        down = k // depth // kernel_w * dilation
        right = k // depth % kernel_w * dilation
        inside = (k < taps * depth)[None, :]
        matrix = tl.load(rows[:, None] + k[None, :], mask=(row < filters)[:, None] & inside, other=0.0)
        i, j = top[:, None] + down[None, :], left[:, None] + right[None, :]
        inside &= (i >= 0) & (i < height) & (j >= 0) & (j < width) & (pixel < pixels)[:, None]
        offset = (down * width + right) * channels + k % depth
        patches = tl.load(corner[:, None] + offset[None, :], mask=inside, other=0.0)
        acc = dot(matrix, patches.T, acc, "tf32")
    acc += tl.load(bias + channel, mask=row < filters, other=0.0).to(tl.float32)[:, None]
    plane = (pixel // image).to(tl.int64) * (tl.num_programs(2) * filters) * image + pixel % image
    target = y + plane[None, :] + channel.to(tl.int64)[:, None] * image
    tl.store(target, narrow(acc, y.dtype.element_ty), mask=(row < filters)[:, None] & (pixel < pixels)[None, :])
