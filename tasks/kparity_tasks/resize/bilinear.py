"""Bilinear resizing of images."""

import numpy as np

from kparity import edge, kernel_spec, perf, typical
from kparity_tasks.dtypes import FLOATS


def _nearest(x, out_height=2, out_width=2, align_corners=False):
    """Wrong: the nearer neighbour."""
    low_r, high_r, part_r = _source(x.shape[2], out_height, align_corners, x.dtype)
    low_c, high_c, part_c = _source(x.shape[3], out_width, align_corners, x.dtype)
    rows, columns = np.where(part_r < 0.5, low_r, high_r), np.where(part_c < 0.5, low_c, high_c)
    return x[:, :, rows][..., columns]


def _not_clamped(x, out_height=2, out_width=2, align_corners=False):
    """Wrong: the place before the first pixel is not held at it."""
    if align_corners:
        return bilinear.reference(x, out_height, out_width, align_corners)
    wide = np.pad(x, ((0, 0), (0, 0), (1, 0), (1, 0)))
    place = [
        np.maximum((np.arange(out) + 0.5) * (length / out) - 0.5, -1) + 1
        for length, out in zip(x.shape[2:], (out_height, out_width), strict=True)
    ]
    low = [one.astype(np.int64) for one in place]
    high = [np.minimum(one + 1, length) for one, length in zip(low, x.shape[2:], strict=True)]
    low = [np.minimum(one, length) for one, length in zip(low, x.shape[2:], strict=True)]
    part_r, part_c = ((at - np.floor(at)).astype(x.dtype) for at in place)
    upper, lower = wide[:, :, low[0]], wide[:, :, high[0]]
    top = upper[..., low[1]] * (1 - part_c) + upper[..., high[1]] * part_c
    bottom = lower[..., low[1]] * (1 - part_c) + lower[..., high[1]] * part_c
    return top * (1 - part_r[:, None]) + bottom * part_r[:, None]


@kernel_spec(
    "resize/bilinear",
    inputs={"x": "batch channels height width : T"},
    outputs={"y": "batch channels out_height out_width : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(batch=1, channels=1, height=1, width=1, out_height=1, out_width=1),
        edge(batch=1, channels=2, height=5, width=7, out_height=13, out_width=3),
        edge(batch=1, channels=2, height=5, width=7, out_height=13, out_width=17, align_corners=True),
        edge(batch=1, channels=3, height=4, width=4, out_height=1, out_width=5, align_corners=True),
        typical(batch=2, channels=8, height=64, width=48, out_height=128, out_width=96),
        typical(batch=2, channels=8, height=64, width=48, out_height=128, out_width=96, align_corners=True),
        perf(batch=16, channels=64, height=128, width=128, out_height=256, out_width=256),
    ],
    mutants=[_nearest, _not_clamped],
    axes={
        "batch": (1, 2),
        "channels": range(1, 9),
        "height": range(1, 66),
        "width": range(1, 66),
        "out_height": range(1, 130),
        "out_width": range(1, 130),
        "align_corners": (False, True),
    },
    flops="7 * batch * channels * out_height * out_width",
    independent=("batch", "channels"),
)
def bilinear(x, out_height=2, out_width=2, align_corners=False):
    """Bilinear interpolation, NCHW, without antialiasing.

    Output row i reads the source at row i * (height - 1) / (out_height - 1) with `align_corners`, else at
    max(0, (i + 0.5) * height / out_height - 0.5); likewise for columns; the neighbour beyond the last row is the last
    row. With `align_corners` an output of length one reads row 0. Same as `torch.nn.functional.interpolate`.
    """
    low_r, high_r, part_r = _source(x.shape[2], out_height, align_corners, x.dtype)
    low_c, high_c, part_c = _source(x.shape[3], out_width, align_corners, x.dtype)
    part_r = part_r[:, None]
    upper, lower = x[:, :, low_r], x[:, :, high_r]
    top = upper[..., low_c] * (1 - part_c) + upper[..., high_c] * part_c
    bottom = lower[..., low_c] * (1 - part_c) + lower[..., high_c] * part_c
    return top * (1 - part_r) + bottom * part_r


def _source(length, out_length, align_corners, dtype):
    place = np.arange(out_length, dtype=dtype)
    if align_corners:
        scale = dtype.type(length - 1) / dtype.type(max(out_length - 1, 1))
        source = place * (scale if out_length > 1 else dtype.type(0))
    else:
        source = np.maximum(
            (place + dtype.type(0.5)) * (dtype.type(length) / dtype.type(out_length)) - dtype.type(0.5), dtype.type(0)
        )
    low = np.minimum(source.astype(np.int64), length - 1)
    return low, np.minimum(low + 1, length - 1), (source - low).astype(dtype)
