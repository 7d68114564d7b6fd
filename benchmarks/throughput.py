"""How many untrusted candidates are evaluated in a minute, and where the time of one goes.

    python benchmarks/throughput.py --out benchmarks/results/NAME            # every backend that this machine has
    python benchmarks/throughput.py --check --from auto                      # check the newest committed results

The candidate is a correct softmax; the case 1024 x 4096 in float32, five draws of inputs and short timing; isolated: a
confined worker for each candidate. Asked of each backend:

* a minute: candidates through `kparity.Evaluator`, as many at a time as there are cores; goal on a GPU: at least 120
  for triton and cuda, 60 for jax.
* breakdown of one, alone: fork and confinement, opening the device, load, compile, transfer and calls, the judge's own
  work, times.
* isolation: what the worker costs beside the same in this process: start, open, first load and transfer; goal for
  cpu_ref: at most 60 ms.
* fresh: seconds of the same evaluation in a fresh interpreter.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from kparity import Cascade, Evaluator, Options, Session, Unavailable, cpu_name, typical
from kparity.evaluation import Setting, Subject, blank_record, evaluate
from kparity.problem import Problem
from kparity.sandbox.host import InlineRunner, ProcessRunner
from kparity.sandbox.limits import Limits

NAME = "throughput.json"
RESULTS = Path(__file__).parent / "results"
TASK = "activation/softmax"
SHAPE = typical(rows=1024, cols=4096)
CASCADE = Cascade(draws=5, timing="short", hunt=False)
GOALS = {"triton": 120.0, "cuda": 120.0, "jax": 60.0}
ISOLATION_GOAL_S = 0.06

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


def main() -> None:
    """Measure or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help=f"folder for {NAME}")
    parser.add_argument("--backend", action="append", choices=list(SOURCES), help="only this one; may be repeated")
    parser.add_argument("--candidates", type=int, default=60, help="for each backend (default %(default)s)")
    parser.add_argument("--workers", type=int, default=0, help="at a time; one for each core by default")
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    parser.add_argument("--from", dest="source", help="results to read instead of measuring: a folder, or 'auto'")
    parser.add_argument("--once", metavar="BACKEND", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        _once(arguments.once)
        return
    if arguments.source:
        results = _read(arguments.source)
    else:
        results = measure(arguments.backend or list(SOURCES), arguments.candidates, arguments.workers, arguments.out)
    missed = show(results)
    if arguments.check and missed:
        sys.exit("missed: " + "; ".join(missed))


def measure(backends: list[str], candidates: int, workers: int, out: Path | None) -> dict[str, Any]:
    """Everything on this machine; written after each backend, so that an interruption loses one."""
    results: dict[str, Any] = {"cpu": cpu_name(), "cores": os.cpu_count(), "backends": {}}
    with Session() as session:
        for name in backends:
            device = session.devices([name])[name]
            if isinstance(device, Unavailable):
                print(f"{name}: {device}", file=sys.stderr)
                continue
            found = _breakdown(session, name)
            found |= _minute(session, name, candidates, workers)
            found |= {"device": device.name, "kind": device.kind, "fresh_s": _fresh(name)}
            results["backends"][name] = found
            print(f"{name}: {json.dumps(found)}", file=sys.stderr, flush=True)
            if out is not None:
                out.mkdir(parents=True, exist_ok=True)
                (out / NAME).write_text(json.dumps(results, indent=1) + "\n")
    return results


def show(results: dict[str, Any]) -> list[str]:
    """Print the table; returns the goals that were missed."""
    print(f"softmax 1024 x 4096 float32, 5 draws and times; {results['cpu']}, {results['cores']} cores")
    stages = ("start", "open", "load", "compile", "call", "judge", "clock", "time")
    print(
        f"{'backend':9}{'device':28}{'a minute':>9}{'one ms':>8}" + "".join(f"{stage:>9}" for stage in stages), end=""
    )
    print(f"{'isolation':>11}{'fresh ms':>10}")
    missed = []
    for name, one in results["backends"].items():
        spent = "".join(f"{one['stages_s'].get(stage, 0) * 1e3:9.0f}" for stage in stages)
        print(
            f"{name:9}{one['device'][:27]:28}{one['a_minute']:9.0f}{one['one_s'] * 1e3:8.0f}{spent}"
            f"{one['isolation_s'] * 1e3:11.0f}{one['fresh_s'] * 1e3:10.0f}"
        )
        if one["failed"]:
            missed.append(f"{name}: {one['failed']} of {one['candidates']} candidates did not pass")
        if one["kind"] == "gpu" and one["a_minute"] < GOALS.get(name, 0):
            missed.append(f"{name}: {one['a_minute']:.0f} a minute, {GOALS[name]:.0f} wanted")
        if name == "cpu_ref" and one["isolation_s"] > ISOLATION_GOAL_S:
            missed.append(f"cpu_ref: isolation costs {one['isolation_s'] * 1e3:.0f} ms, 60 allowed")
    if not results["backends"]:
        missed.append("nothing was evaluated")
    print("all goals met" if not missed else "missed: " + "; ".join(missed))
    return missed


def _minute(session: Session, name: str, candidates: int, workers: int) -> dict[str, Any]:
    """Candidates a minute, in steady state: the first ones fill the pipeline and are not counted."""
    with Evaluator(session, backends=[name], workers=workers, warm=2, cascade=CASCADE) as evaluator:
        ahead = [_submit(evaluator, name, number) for number in range(evaluator.workers + 2)]
        for one in ahead:
            one.result()
        started = time.perf_counter()
        outcomes = [one.result() for one in [_submit(evaluator, name, 100 + number) for number in range(candidates)]]
        seconds = time.perf_counter() - started
    wrong = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in wrong[:3]:
        print(f"{name}: {outcome.status}: {outcome.message}", file=sys.stderr)
    return {"a_minute": 60 * (candidates - len(wrong)) / seconds, "candidates": candidates, "failed": len(wrong)}


def _submit(evaluator: Evaluator, name: str, number: int) -> Any:
    """Each candidate is a text of its own, so that no cache of compiled code helps."""
    comment = "//" if name == "cuda" else "#"
    source = f"{SOURCES[name]}\n{comment} candidate {number}\n"
    return evaluator.submit(TASK, name, source, templates=[SHAPE], dtypes=["float32"])


class _Stages:
    """A runner that notes how long each request takes."""

    KINDS = {"load": "load", "supports": "load", "watch": "load", "calibrate": "clock", "measure": "time", "go": "time"}

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._runner, name)
        if not callable(value):
            return value

        def timed(*arguments: Any, **keywords: Any) -> Any:
            started = time.perf_counter()
            try:
                answer = value(*arguments, **keywords)
            finally:
                spent = time.perf_counter() - started
            compiled = answer.compile_s if name == "execute" else 0.0
            self.seconds["compile"] += compiled
            self.seconds[self.KINDS.get(name, "call")] += spent - compiled
            return answer

        return timed


def _breakdown(session: Session, name: str) -> dict[str, Any]:
    """Where the time of one evaluation goes: medians of five, in a worker started for it and, for comparison, here."""
    backend, spec = session.catalogue.backend(name), session.catalogue.task(TASK)
    (case,) = spec.bound(SHAPE, ["float32"])
    runs = [_alone(session, backend, spec, case, number) for number in range(6)][1:]
    stages = {stage: statistics.median(run[0][stage] for run in runs) for stage in runs[0][0]}
    inside = statistics.median(_inline(session, backend, spec, case, number) for number in range(3))
    outside = statistics.median(run[1] for run in runs)
    return {
        "stages_s": stages,
        "one_s": statistics.median(sum(run[0].values()) for run in runs),
        "isolation_s": max(outside - inside, 0.0),
    }


def _alone(session: Session, backend: Any, spec: Any, case: Any, number: int) -> tuple[dict[str, float], float]:
    """Seconds by stage; and of start, open, load and one execution, which is what isolation adds to."""
    start = _start(session, backend)
    started = time.perf_counter()
    runner = ProcessRunner(backend, 60.0, session.nursery, Limits())
    try:
        device = runner.open(0)
        opened = time.perf_counter() - started
        staged = _Stages(runner)
        subject = Subject.candidate(TASK, backend.name, f"{SOURCES[backend.name]}\n", spec.entry_point)
        first = Problem.pose(spec, case, number)
        begun = time.perf_counter()
        runner.load(source=subject.source, entry_point=subject.entry_point)
        runner.execute(case, first.inputs)
        plain = time.perf_counter() - begun
        interpreted = device.kind == "interpreter"
        if not interpreted:
            staged.calibrate(ceilings=False)
        begun = time.perf_counter()
        for draw in range(CASCADE.draws):
            last = draw == CASCADE.draws - 1
            setting = Setting(
                runner=staged,  # type: ignore[arg-type]
                device=device,
                timing=CASCADE.short if last else None,
                watched=True,
                repeats=2 if last else 0,
            )
            blank = blank_record(subject, case, device, draw, "process")
            seed = 10 * number + draw
            record = evaluate(setting, subject, functools.partial(Problem.pose, spec, case, seed), blank)
            if record.status != "passed":
                raise SystemExit(f"{backend.name}: {record.status}: {record.verdict.message}")
        whole = time.perf_counter() - begun
    finally:
        runner.close()
    spent = dict(staged.seconds)
    judged = whole - (sum(spent.values()) - spent.get("clock", 0.0))
    stages = {"start": start, "open": max(opened - start, 0.0), **spent, "judge": judged}
    return stages, opened + plain


def _start(session: Session, backend: Any) -> float:
    """Seconds to fork and confine a worker, up to its first word."""
    started = time.perf_counter()
    runner = ProcessRunner(backend, 60.0, session.nursery, Limits())
    try:
        runner.meet()
        return time.perf_counter() - started
    finally:
        runner.close()


def _inline(session: Session, backend: Any, spec: Any, case: Any, number: int) -> float:
    """Open, load and one execution in this process, the framework imported already."""
    kind = type(backend)
    runner = InlineRunner(kind())
    runner.open(0)
    problem = Problem.pose(spec, case, number)
    started = time.perf_counter()
    runner.load(source=f"{SOURCES[backend.name]}\n", entry_point=spec.entry_point)
    runner.execute(case, problem.inputs)
    return time.perf_counter() - started


def _fresh(name: str) -> float:
    """Seconds of one evaluation in a fresh interpreter, from its start to its end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, __file__, "--once", name], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _once(name: str) -> None:
    with Evaluator(backends=[name], workers=1, cascade=CASCADE, options=Options(timeout_s=60)) as evaluator:
        outcome = _submit(evaluator, name, os.getpid()).result()
    if not outcome.passed:
        sys.exit(f"{name}: {outcome.status}: {outcome.message}")


def _read(source: str) -> dict[str, Any]:
    if source != "auto":
        return json.loads((Path(source) / NAME).read_text())
    found = sorted(RESULTS.glob(f"*/{NAME}"))
    if not found:
        sys.exit(f"no results under {RESULTS}")
    return json.loads(found[-1].read_text())


if __name__ == "__main__":
    main()
