"""Two-dimensional convolution."""

import numpy as np

from kparity import Hunting, Numerics, edge, hill, integers, kernel_spec, normal, perf, tensor, typical, uniform
from kparity_tasks.dtypes import FLOATS


def _flipped(x, weight, bias, stride=1, padding=0, dilation=1, groups=1):
    """Wrong: a convolution in the mathematical sense, with the kernel turned round."""
    return conv2d.reference(x, weight[:, :, ::-1, ::-1], bias, stride, padding, dilation, groups)


def _interleaved_groups(x, weight, bias, stride=1, padding=0, dilation=1, groups=1):
    """Wrong: channels are dealt out to the groups in turn."""
    channels = np.arange(x.shape[1]).reshape(-1, groups).T.ravel()
    return conv2d.reference(x[:, channels], weight, bias, stride, padding, dilation, groups)


def _pads_with_the_edge(x, weight, bias, stride=1, padding=0, dilation=1, groups=1):
    """Wrong: padding repeats the border."""
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), mode="edge")
    return conv2d.reference(padded, weight, bias, stride, 0, dilation, groups)


@kernel_spec(
    "convolution/conv2d",
    inputs={
        "x": "batch in_channels height width : T",
        "weight": tensor(
            "out_channels in_channels//groups kernel_h kernel_w : T",
            normal(std="(in_channels // groups * kernel_h * kernel_w) ** -0.5"),
        ),
        "bias": "out_channels : T",
    },
    outputs={
        "y": "batch, out_channels,"
        " (height + 2 * padding - dilation * (kernel_h - 1) - 1) // stride + 1,"
        " (width + 2 * padding - dilation * (kernel_w - 1) - 1) // stride + 1 : T"
    },
    dtypes={"T": FLOATS},
    cases=[
        edge(batch=1, in_channels=1, out_channels=1, height=1, width=1, kernel_h=1, kernel_w=1),
        edge(batch=2, in_channels=3, out_channels=5, height=13, width=17, kernel_h=3, kernel_w=5, padding=1),
        edge(
            batch=1,
            in_channels=8,
            out_channels=6,
            height=19,
            width=23,
            kernel_h=3,
            kernel_w=3,
            stride=2,
            padding=2,
            dilation=2,
            groups=2,
        ),
        edge(
            batch=1, in_channels=16, out_channels=16, height=15, width=15, kernel_h=3, kernel_w=3, padding=1, groups=16
        ),
        typical(batch=1, in_channels=32, out_channels=64, height=28, width=28, kernel_h=3, kernel_w=3, padding=1),
        perf(batch=32, in_channels=128, out_channels=128, height=56, width=56, kernel_h=3, kernel_w=3, padding=1),
    ],
    mutants=[_flipped, _interleaved_groups, _pads_with_the_edge],
    axes={
        "batch": (1, 2, 3),
        "groups": (1, 1, 2, 3),
        "per_group": range(1, 18),
        "in_channels": "groups * per_group",
        "filters": range(1, 18),
        "out_channels": "groups * filters",
        "kernel_h": (1, 2, 3, 5),
        "kernel_w": (1, 3, 4),
        "stride": (1, 1, 2, 3),
        "padding": (0, 1, 2),
        "dilation": (1, 1, 2),
        "extra_h": range(1, 34),
        "height": "dilation * (kernel_h - 1) + extra_h",
        "extra_w": range(1, 34),
        "width": "dilation * (kernel_w - 1) + extra_w",
    },
    hunting=Hunting(
        own={
            "hill": {"x": uniform(0.5, 1.5), "weight": hill(start=1)},
            "exact": {"x": integers(-2, 3), "weight": integers(-2, 3), "bias": integers(-2, 3)},
        }
    ),
    flops="2 * batch * out_channels * (in_channels // groups) * kernel_h * kernel_w"
    " * ((height + 2 * padding - dilation * (kernel_h - 1) - 1) // stride + 1)"
    " * ((width + 2 * padding - dilation * (kernel_w - 1) - 1) // stride + 1)",
    numerics=Numerics(storage_intermediates=True, tf32=True),
    independent="batch",
)
def conv2d(x, weight, bias, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation with zero padding, NCHW:

    y[b, o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] * x[b, g(o) + c, i*stride + u*dilation - padding,
    j*stride + v*dilation - padding], where output channel o belongs to group o // (out_channels / groups) and g(o) is
    that group's first input channel. Same as `torch.nn.functional.conv2d`.
    """
    batch, _, height, width = x.shape
    out_channels, per_group, kernel_h, kernel_w = weight.shape
    out_h = (height + 2 * padding - dilation * (kernel_h - 1) - 1) // stride + 1
    out_w = (width + 2 * padding - dilation * (kernel_w - 1) - 1) // stride + 1
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    taps = weight.reshape(groups, out_channels // groups, per_group, kernel_h, kernel_w)
    patches = np.empty((batch, groups, per_group, kernel_h, kernel_w, out_h, out_w), dtype=x.dtype)
    for u in range(kernel_h):
        for v in range(kernel_w):
            rows = slice(u * dilation, u * dilation + (out_h - 1) * stride + 1, stride)
            columns = slice(v * dilation, v * dilation + (out_w - 1) * stride + 1, stride)
            window = padded[:, :, rows, columns]
            patches[:, :, :, u, v] = window.reshape(batch, groups, per_group, out_h, out_w)
    matrix = taps.reshape(groups, out_channels // groups, per_group * kernel_h * kernel_w)
    y = matrix @ patches.reshape(batch, groups, per_group * kernel_h * kernel_w, out_h * out_w)
    return y.reshape(batch, out_channels, out_h, out_w) + bias[:, None, None]
