"""Row vector added to every row of a matrix."""

import numpy as np

from kparity import edge, kernel_spec, perf, typical
from kparity_tasks.dtypes import FLOATS


def _bias_by_row(x, bias):
    """Wrong: the bias follows the rows."""
    return x + bias[np.arange(x.shape[0]) % bias.shape[0]][:, None]


@kernel_spec(
    "broadcast/add_bias",
    inputs={"x": "rows cols : T", "bias": "cols : T"},
    outputs={"y": "rows cols : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(rows=1, cols=1),
        edge(rows=7, cols=1023),
        edge(rows=3, cols=4097),
        edge(rows=65537, cols=8),
        typical(rows=64, cols=4096),
        perf(rows=16384, cols=4096),
    ],
    mutants=[_bias_by_row],
    axes={"rows": range(1, 1025), "cols": range(1, 4097)},
    flops="rows * cols",
    independent="rows",
    strided=("x", "bias"),
)
def add_bias(x, bias):
    """Broadcast addition: y[r, c] = x[r, c] + bias[c]."""
    return x + bias
