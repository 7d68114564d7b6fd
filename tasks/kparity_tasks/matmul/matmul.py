"""Matrix product."""

from kparity import edge, kernel_spec, perf, typical
from kparity_tasks.dtypes import FLOATS


@kernel_spec(
    "matmul/matmul",
    inputs={"a": "m k : T", "b": "k n : T"},
    outputs={"c": "m n : T"},
    dtypes={"T": FLOATS},
    cases=[
        edge(m=1, n=1, k=1),
        edge(m=1, n=257, k=511),
        edge(m=127, n=129, k=131),
        edge(m=65537, n=4, k=8),
        typical(m=256, n=320, k=384),
        perf(m=4096, n=4096, k=4096),
    ],
    axes={"m": range(1, 258), "n": range(1, 258), "k": range(1, 1025)},
    flops="2 * m * n * k",
    independent=("m", "n"),
)
def matmul(a, b):
    """Matrix product of row-major matrices: c[i, j] = sum_k a[i, k] * b[k, j]."""
    return a @ b
