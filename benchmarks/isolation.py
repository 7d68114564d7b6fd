"""What isolation costs: one softmax of 1024 x 4096 inline and in workers, milliseconds: `isolation.py [BACKEND]`.

The inline figure is an engine in this process whose backend is open already; a worker's is a fork, confining it,
opening the device, loading and one execution. The difference of the medians is the cost; ending the worker is shown
apart, since the judge need not wait for it. `throughput.py` records the same, with its goal for cpu_ref.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from kparity import Limits, Session, typical
from kparity.sandbox.host import InlineRunner, ProcessRunner, Runner

TASK = "activation/softmax"
ROWS_COLS = (1024, 4096)
SHAPE = typical(rows=ROWS_COLS[0], cols=ROWS_COLS[1])
STEPS = ("ask", "open", "load", "execute")

NUMPY = """
import numpy as np

def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
"""
JAX = """
import jax.numpy as jnp

def softmax(x):
    e = jnp.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
"""
TORCH = """
import torch

def softmax(x):
    return torch.softmax(x, dim=-1)
"""
TRITON = """
import torch
import triton
import triton.language as tl

@triton.jit
def kernel(x, y, cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    v = tl.load(x + row * cols + at, mask=at < cols, other=float("-inf")).to(tl.float32)
    e = tl.exp(v - tl.max(v, axis=0))
    tl.store(y + row * cols + at, (e / tl.sum(e, axis=0)).to(y.dtype.element_ty), mask=at < cols)

def softmax(x):
    y = torch.empty_like(x)
    kernel[(x.shape[0],)](x, y, x.shape[1], BLOCK=triton.next_power_of_2(x.shape[1]))
    return y
"""
CUDA = """
// kparity: launch softmax<T> grid=rows block=256 args=x,y,rows,cols
using namespace kparity;

template <typename U>
__global__ void softmax(const U* x, U* y, long long rows, long long cols) {
    x += blockIdx.x * cols;
    y += blockIdx.x * cols;
    float top = -INFINITY, sum = 0.0f;
    for (int c = threadIdx.x; c < cols; c += blockDim.x) top = fmaxf(top, to_float(x[c]));
    top = block_max<256>(top);
    for (int c = threadIdx.x; c < cols; c += blockDim.x) sum += expf(to_float(x[c]) - top);
    sum = block_sum<256>(sum);
    for (int c = threadIdx.x; c < cols; c += blockDim.x) y[c] = from_float<U>(expf(to_float(x[c]) - top) / sum);
}
"""
SOURCES = {"cpu_ref": NUMPY, "torch": TORCH, "jax": JAX, "triton": TRITON, "cuda": CUDA}


def cost(session: Session, name: str, seconds: float, most: int = 11) -> dict[str, Any]:
    """Milliseconds of each step inline, in a trusted worker and in a candidate's, and what isolating a candidate costs.

    Args:
        session: has the backend.
        name: of the backend.
        seconds: for everything; at least three rounds are made.
        most: rounds.
    """
    backend = session.catalogue.backend(name)
    (case,) = session.catalogue.task(TASK).bound(SHAPE, ["float32"])
    x = np.random.default_rng(0).standard_normal(ROWS_COLS, dtype=np.float32)
    endings: list[float] = []

    def steps(runner: Runner) -> list[float]:
        return [
            _ms(lambda: runner.open(0)),
            _ms(lambda: runner.load(source=SOURCES[name], entry_point="softmax")),
            _ms(lambda: runner.execute(case, (x,))),
        ]

    def isolated(limits: Limits | None) -> list[float]:
        start = time.perf_counter()
        runner = ProcessRunner(backend, 120.0, session.nursery, limits)
        asked = 1e3 * (time.perf_counter() - start)
        try:
            return [asked, *steps(runner)]
        finally:
            endings.append(_ms(runner.close))

    isolated(Limits())  # starts the zygote
    until = time.monotonic() + seconds
    rows: dict[str, list[list[float]]] = {"trusted": [], "candidate": [], "inline": []}
    inline = InlineRunner(type(backend)())
    steps(inline)
    for number in itertools.count(1):
        rows["trusted"].append(isolated(None))
        rows["candidate"].append(isolated(Limits()))
        rows["inline"].append([0.0, *steps(inline)])
        if number >= most or (number >= 3 and time.monotonic() > until):
            break
    here = [sum(row) for row in rows["inline"]]
    found: dict[str, Any] = {kind: _summary(several) for kind, several in rows.items()}
    for kind in ("trusted", "candidate"):
        whole = [sum(row) for row in rows[kind]]
        found[kind]["cost_ms"] = statistics.median(whole) - statistics.median(here)
        found[kind]["least_cost_ms"] = min(whole) - min(here)
    return {**found, "rounds": len(here), "ending_ms": statistics.median(endings)}


def describe(name: str, found: dict[str, Any]) -> str:
    """A line for each place."""
    lines = []
    for kind in ("inline", "trusted", "candidate"):
        one = found[kind]
        text = ", ".join(f"{step} {one['steps_ms'][step]:.1f}" for step in STEPS)
        costs = f"; costs {one['cost_ms']:.1f} ms, at the least {one['least_cost_ms']:.1f}" if "cost_ms" in one else ""
        lines.append(f"{name}: {kind}: {text} ms{costs}")
    return "\n".join([*lines, f"{name}: ending a worker {found['ending_ms']:.1f} ms; {found['rounds']} rounds"])


def _summary(rows: list[list[float]]) -> dict[str, Any]:
    medians = (statistics.median(column) for column in zip(*rows, strict=True))
    return {"steps_ms": dict(zip(STEPS, medians, strict=True))}


def _ms(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return 1e3 * (time.perf_counter() - start)


def main(name: str) -> None:
    """Measure one backend and print a line for each place."""
    with Session() as session:
        print(describe(name, cost(session, name, 60.0)))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cpu_ref")
