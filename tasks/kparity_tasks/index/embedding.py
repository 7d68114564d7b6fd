"""Embedding lookup: a gather of rows."""

import numpy as np

from kparity import Independent, edge, integers, kernel_spec, perf, tensor, typical
from kparity_tasks.dtypes import FLOATS


def _needs(chosen, table, indices):
    """The rows that the chosen tokens name, in order; the rest of the table is not read."""
    return table[indices[chosen["tokens"]]], np.arange(len(chosen["tokens"]))


@kernel_spec(
    "index/embedding",
    inputs={"table": "vocab width : T", "indices": tensor("tokens : int32", integers(0, "vocab"))},
    outputs={"rows": "tokens width : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(vocab=1, width=1, tokens=1),
        edge(vocab=31, width=127, tokens=257),
        edge(vocab=7, width=1025, tokens=3),
        edge(vocab=1009, width=8, tokens=65537),
        typical(vocab=8192, width=256, tokens=2048),
        perf(vocab=131072, width=1024, tokens=65536),
    ],
    axes={"vocab": range(1, 2049), "width": range(1, 1025), "tokens": range(1, 1025)},
    bytes="2 * tokens * width * sizeof_T + 4 * tokens",
    independent=Independent(("tokens",), needs=_needs),
)
def embedding(table, indices):
    """Gather: rows[t, :] = table[indices[t], :]; every index lies in [0, vocab)."""
    return table[indices]
