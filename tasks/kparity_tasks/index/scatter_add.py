"""Scatter with addition, where indices repeat."""

import numpy as np

from kparity import edge, integers, kernel_spec, perf, tensor, typical
from kparity_tasks.dtypes import FLOATS


def _last_write_wins(base, indices, updates):
    """Wrong: where an index repeats, only its last update counts (a race without atomics)."""
    out = base.copy()
    out[indices] = base[indices] + updates
    return out


def _overwrites(base, indices, updates):
    """Wrong: updates replace what was there."""
    out = base.copy()
    out[indices] = updates
    return out


@kernel_spec(
    "index/scatter_add",
    inputs={
        "base": "rows width : T",
        "indices": tensor("count : int32", integers(0, "rows")),
        "updates": "count width : T",
    },
    outputs={"out": "rows width : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(rows=1, width=1, count=1),
        edge(rows=1, width=5, count=127),
        edge(rows=13, width=129, count=257),
        edge(rows=65537, width=4, count=1021),
        typical(rows=1024, width=128, count=2048),
        perf(rows=65536, width=512, count=65536),
    ],
    mutants=[_last_write_wins, _overwrites],
    axes={"rows": range(1, 1025), "width": range(1, 513), "count": range(1, 2049)},
    flops="count * width",
    independent="width",
)
def scatter_add(base, indices, updates):
    """Scatter-add of rows: out = base, then out[indices[i], :] += updates[i, :] for every i; indices may repeat.

    Sums are carried in the accumulation precision and rounded to the output dtype once.
    """
    order = np.argsort(indices, kind="stable")
    targets, starts = np.unique(indices[order], return_index=True)
    out = base.copy()
    out[targets] += np.add.reduceat(updates[order], starts, axis=0)
    return out
