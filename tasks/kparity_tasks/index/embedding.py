"""Embedding lookup: a gather of rows."""

from kparity import edge, integers, kernel_spec, perf, tensor, typical
from kparity_tasks.dtypes import FLOATS


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
    bytes="2 * tokens * width * sizeof_T + 4 * tokens",
)
def embedding(table, indices):
    """Gather: rows[t, :] = table[indices[t], :]; every index lies in [0, vocab)."""
    return table[indices]
