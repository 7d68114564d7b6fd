"""Two-dimensional max pooling with indices."""

import numpy as np

from kparity import edge, kernel_spec, perf, typical
from kparity_tasks.dtypes import FLOATS


def _pads_with_zeros(x, kernel=2, stride=2, padding=0):
    """Wrong: padding counts as zero."""
    y, indices = max_pool2d.reference(x, kernel, stride, padding)
    padded = np.pad(np.zeros_like(x), ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=1)
    touches = max_pool2d.reference(padded, kernel, stride, 0)[0] > 0
    return np.where(touches, np.maximum(y, 0), y), indices


def _last_of_equals(x, kernel=2, stride=2, padding=0):
    """Wrong: of equal values the last one's index."""
    flipped, places = max_pool2d.reference(x[:, :, ::-1, ::-1], kernel, stride, padding)
    span = [length + 2 * padding - kernel for length in x.shape[2:]]
    if any(one % stride for one in span):
        return max_pool2d.reference(x, kernel, stride, padding)
    return flipped[:, :, ::-1, ::-1], (x.shape[2] * x.shape[3] - 1 - places)[:, :, ::-1, ::-1]


@kernel_spec(
    "pooling/max_pool2d",
    inputs={"x": "batch channels height width : T"},
    outputs={
        "y": "batch, channels, (height + 2 * padding - kernel) // stride + 1,"
        " (width + 2 * padding - kernel) // stride + 1 : T",
        "indices": "batch, channels, (height + 2 * padding - kernel) // stride + 1,"
        " (width + 2 * padding - kernel) // stride + 1 : int32",
    },
    dtypes={"T": FLOATS},
    cases=[
        edge(batch=1, channels=1, height=1, width=1, kernel=1, stride=1),
        edge(batch=2, channels=3, height=13, width=17, kernel=3, stride=2, padding=1),
        edge(batch=1, channels=5, height=7, width=31, kernel=5, stride=1, padding=2),
        edge(batch=1, channels=65537, height=2, width=2, kernel=2, stride=2),
        typical(batch=4, channels=32, height=56, width=56, kernel=3, stride=2, padding=1),
        perf(batch=32, channels=64, height=112, width=112, kernel=3, stride=2, padding=1),
    ],
    mutants=[_pads_with_zeros, _last_of_equals],
    axes={
        "batch": (1, 2, 3),
        "channels": range(1, 66),
        "kernel": (1, 2, 3, 4, 5),
        "stride": (1, 2, 3),
        "half": (0, 1),
        "padding": "half * (kernel // 2)",
        "extra_h": range(1, 34),
        "height": "kernel - 1 + extra_h",
        "extra_w": range(1, 34),
        "width": "kernel - 1 + extra_w",
    },
    flops="batch * channels * kernel * kernel * ((height + 2 * padding - kernel) // stride + 1)"
    " * ((width + 2 * padding - kernel) // stride + 1)",
    independent=("batch", "channels"),
)
def max_pool2d(x, kernel=2, stride=2, padding=0):
    """Max pooling over square windows, NCHW: y is the largest value of each window, indices its place.

    Padding counts as minus infinity. An index is `row * width + column` within the unpadded plane of that batch and
    channel; of equal values the first in row-major order wins. padding <= kernel / 2. Same as
    `torch.nn.functional.max_pool2d(..., return_indices=True)`, with int32 indices.
    """
    height, width = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=-np.inf)
    out_h = (height + 2 * padding - kernel) // stride + 1
    out_w = (width + 2 * padding - kernel) // stride + 1
    y = np.full((*x.shape[:2], out_h, out_w), -np.inf, dtype=x.dtype)
    indices = np.zeros(y.shape, dtype=np.int64)
    for u in range(kernel):
        for v in range(kernel):
            rows = slice(u, u + (out_h - 1) * stride + 1, stride)
            columns = slice(v, v + (out_w - 1) * stride + 1, stride)
            window = padded[:, :, rows, columns]
            row = np.arange(out_h)[:, None] * stride + u - padding
            column = np.arange(out_w) * stride + v - padding
            larger = window > y
            y = np.where(larger, window, y)
            indices = np.where(larger, row * width + column, indices)
    return y, indices
