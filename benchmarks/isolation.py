"""What isolation costs: one softmax of 1024 x 4096 inline and in workers, milliseconds: `isolation.py [BACKEND]`.

The inline figure is an engine in this process whose backend is open already; a worker's is a fork, confining it,
opening the device, loading and one execution. The difference of the medians is the cost; ending the worker is shown
apart, since the judge need not wait for it.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time

import numpy as np

from kparity import Limits, Session, typical
from kparity.sandbox.host import InlineRunner, ProcessRunner, Runner

ROUNDS = 15
SOURCES = {
    "cpu_ref": "import numpy as np\ndef softmax(x):\n    e = np.exp(x - x.max(-1, keepdims=True))\n"
    "    return e / e.sum(-1, keepdims=True)\n",
    "torch": "import torch\ndef softmax(x):\n    return torch.softmax(x, -1)\n",
    "triton": "import torch\ndef softmax(x):\n    return torch.softmax(x, -1)\n",
    "jax": "import jax\ndef softmax(x):\n    return jax.nn.softmax(x, -1)\n",
    "cuda": "import cupy\ndef softmax(x):\n    e = cupy.exp(x - x.max(-1, keepdims=True))\n"
    "    return e / e.sum(-1, keepdims=True)\n",
}


def main(name: str) -> None:
    """Measure one backend and print a line for each step."""
    session = Session()
    backend = session.catalogue.backend(name)
    case = session.catalogue.task("activation/softmax").bind(typical(rows=1024, cols=4096), {"T": "float32"})
    x = np.random.default_rng(0).standard_normal((1024, 4096), dtype=np.float32)

    def steps(runner: Runner) -> list[float]:
        marks = [time.perf_counter()]
        for step in (
            lambda: runner.open(0),
            lambda: runner.load(source=SOURCES[name], entry_point="softmax"),
            lambda: runner.execute(case, (x,)),
        ):
            step()
            marks.append(time.perf_counter())
        return [1e3 * (after - before) for before, after in itertools.pairwise(marks)]

    def isolated(limits: Limits | None) -> list[float]:
        start = time.perf_counter()
        runner = ProcessRunner(backend, 120.0, session.nursery, limits)
        forked = 1e3 * (time.perf_counter() - start)
        try:
            return [forked, *steps(runner)]
        finally:
            closing = time.perf_counter()
            runner.close()
            endings.append(1e3 * (time.perf_counter() - closing))

    endings: list[float] = []
    rounds: dict[str, list[list[float]]] = {"trusted": [], "candidate": []}
    isolated(None)  # starts the zygote
    for _ in range(ROUNDS):
        rounds["trusted"].append(isolated(None))
        rounds["candidate"].append(isolated(Limits()))
    inline = InlineRunner(backend)
    steps(inline)
    within = [statistics.median(column) for column in zip(*(steps(inline) for _ in range(ROUNDS)), strict=True)]
    print(f"{name}: inline: open {within[0]:.1f}, load {within[1]:.1f}, execute {within[2]:.1f} ms")
    for kind, rows in rounds.items():
        ask, opened, load, execute = (statistics.median(column) for column in zip(*rows, strict=True))
        cost = statistics.median(sum(row) for row in rows) - sum(within)
        print(
            f"{name}: {kind}: ask {ask:.1f}, fork and open {opened:.1f}, load {load:.1f}, execute {execute:.1f} ms; "
            f"isolation costs {cost:.1f} ms"
        )
    print(f"{name}: ending a worker {statistics.median(endings):.1f} ms")
    session.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cpu_ref")
