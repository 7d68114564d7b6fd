"""Do times and comparisons on a CPU hold, on two cores, quiet and beside a busy neighbour?

    python benchmarks/timing_cpu.py --out benchmarks/results/NAME     # takes the first two cores that it may use
    python benchmarks/timing_cpu.py --check --from auto               # check the newest committed results

The questions of `timing_truth.py`, asked of the CPU backends:

* truth: the end-to-end time of one call against a clock outside kparity, in a process of its own, in turns: the time
  that the kernel says the thread was running (CLOCK_THREAD_CPUTIME_ID) where the implementation has one thread
  (`cpu_ref:numpy`, whose thread is its own), else a plain loop around `perf_counter`; goal: within 1 %, quiet.
* repeats: ten runs of each; goal: the medians spread by less than 0.5 %, quiet.
* A/A: an implementation compared with itself, side by side in one process as `kparity compare` does it on a CPU, 200
  times in all, half of them beside the neighbour; goal: at most 5 % called faster or slower. A few comparisons of two
  processes stand beside them, without a goal: there the processes themselves differ, by their memory's layout.
* slower: a kernel of one thread followed by a loop that takes another 1 % or 2 %; goal: at least 95 % of the
  comparisons say so, quiet. Beside the neighbour what was found is shown, without a goal.

Each implementation has one thread: two that wait for one another measure the scheduler.

The neighbour is a process that computes without pause and may use the same two cores. The caches are warm and the
arrays fit in the first or second level: this asks about clocks and statistics, not about memory shared with others.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from committed import read
from timing_shared import (
    Answers,
    Bare,
    Companion,
    Side,
    calibrated,
    compared,
    load_inputs,
    repeated,
    save_inputs,
    serve,
    truth_row,
)
from timing_tables import called_different, called_slower, missed_truth, print_compared, print_truth, too_few

from kparity import Case, Session, cpu_name, typical
from kparity.compare import ComparePolicy
from kparity.timing import TimingPolicy

NAME = "timing_cpu.json"
SIZES = {
    "activation/softmax": typical(rows=16, cols=1024),
    "normalization/rms_norm": typical(rows=16, cols=1024),
    "matmul/matmul": typical(m=96, n=96, k=96),
    "broadcast/add_bias": typical(rows=16, cols=1024),
}
TASKS = tuple(SIZES)
LABELS = ("cpu_ref:numpy", "cpu_ref:numba", "jax:xla", "torch:eager")
SINGLE = ("cpu_ref:numpy",)
"""Implementations that keep to one thread; not in matmul, which is the BLAS library's."""
COMPARISONS = 200
APART = 3
SLOWER = 40
SLOWED, SLOWED_LABEL = "activation/softmax", "cpu_ref:numpy"
SECONDS = 600.0
TIMING = TimingPolicy(target=0.0005, budget_s=0.1, minimum=100, maximum=4000, cache="warm")
COMPARING = ComparePolicy(budget_s=0.3, cache="warm")
SLOWING = {state: ComparePolicy(budget_s=4.0, cache="warm", maximum=8192) for state in ("quiet", "busy")}
"""One per cent is half a per cent beyond what counts as equivalent: the interval has to be as narrow."""
CALIBRATING = 400
LOOP_S = 0.1
BATCH_S = 1e-3
AMOUNTS = (0, 20_000)
"""Steps of the extra loop: none, and many."""

ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
    # Threads that wait for one another stall for a scheduler's slice when somebody else has their core.
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")},
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}

SLOW_SOURCE = """
import numpy as np
from numba import njit

@njit
def _spin(steps):
    state = 1
    for _ in range(steps):
        state = (state * 1103515245 + 12345) % 2147483648
    return state

def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    y = e / np.sum(e, axis=-1, keepdims=True)
    if _spin({amount}) < 0:
        raise AssertionError
    return y
"""


def main() -> None:
    """Measure or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help=f"folder for {NAME}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time for everything (default %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    parser.add_argument("--from", dest="source", help="results to read instead of measuring: a folder, or 'auto'")
    parser.add_argument("--companion", nargs=2, metavar=("LABEL", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.source:
        results = read(arguments.source, NAME)
    else:
        os.environ.update(ENVIRONMENT)
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
        if arguments.companion:
            label, folder = arguments.companion
            serve(Looped(label, cases_of, Path(folder)))
            return
        results = measure(Answers(arguments.out and arguments.out / NAME, arguments.seconds))
    missed = show(results)
    if arguments.check and missed:
        sys.exit("missed: " + "; ".join(missed))


def cases_of(session: Session) -> dict[str, Case]:
    """A float32 case of every task that fits in the second-level cache."""
    return {task: session.catalogue.task(task).bind(size, {"T": "float32"}) for task, size in SIZES.items()}


def measure(answers: Answers) -> dict[str, Any]:
    """Ask everything, on this machine."""
    session = Session()
    cases = cases_of(session)
    answers.data |= {
        "device": cpu_name(),
        "cores": sorted(os.sched_getaffinity(0)),
        "load": os.getloadavg(),
        "environment": ENVIRONMENT,
        "truth": [],
        "same": [],
        "apart": [],
        "slower": [],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_inputs(session, cases, folder)
        for label in LABELS:
            answers.ask(label, functools.partial(_all_of, answers, session, cases, folder, label))
    return answers.data


def _all_of(answers: Answers, session: Session, cases: dict[str, Case], folder: Path, label: str) -> None:
    """Every question about one line-up, first quiet, then beside the neighbour."""
    with contextlib.ExitStack() as stack:
        companion = stack.enter_context(contextlib.closing(Companion(__file__, label, folder)))
        sides = [stack.enter_context(one) for one in Side.open(session, label, TASKS[0], 2)]
        for state in ("quiet", "busy"):
            with neighbour(state == "busy"):
                for task in TASKS:
                    ask = functools.partial(_truth, answers, cases, folder, sides[0], companion, task, state)
                    answers.ask(f"truth {task} {label} {state}", ask)
                for apart in (False, True):
                    ask = functools.partial(_same, answers, cases, folder, sides, state, apart)
                    answers.ask(f"A/A {label} {state}" + (" apart" if apart else ""), ask)
                for percent in (1, 2) if label == SLOWED_LABEL else ():
                    ask = functools.partial(_slower, answers, cases, folder, sides, percent, state)
                    answers.ask(f"slower by {percent} % {state}", ask)


@contextlib.contextmanager
def neighbour(busy: bool) -> Iterator[None]:
    """A process that computes on the same cores meanwhile, or none."""
    if not busy:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _truth(
    answers: Answers, cases: dict[str, Case], folder: Path, side: Side, companion: Companion, task: str, state: str
) -> None:
    side.ready(cases[task], load_inputs(cases, task, folder))
    medians, others = repeated(side, companion, task, TIMING, "end_to_end")
    clock = "thread" if side.label in SINGLE and task != "matmul/matmul" else "loop"
    row = truth_row(cases[task], side, medians, [one[clock] for one in others])
    answers.data["truth"].append(row | {"state": state, "independent": clock})


def _same(
    answers: Answers, cases: dict[str, Case], folder: Path, sides: Sequence[Side], state: str, apart: bool
) -> None:
    case, inputs = cases[TASKS[0]], load_inputs(cases, TASKS[0], folder)
    first = sides[0].ready(case, inputs)
    second = sides[1].ready(case, inputs) if apart else sides[0].ready(case, inputs, place=1)
    count = APART if apart else COMPARISONS // (2 * len(LABELS))
    row = compared(case, first, second, COMPARING, count, answers)
    name = f"A/A {sides[0].label}, {state}" + (", two processes" if apart else "")
    answers.data["apart" if apart else "same"].append({"name": name, "state": state} | row)


def _slower(
    answers: Answers, cases: dict[str, Case], folder: Path, sides: Sequence[Side], percent: int, state: str
) -> None:
    case, inputs = cases[SLOWED], load_inputs(cases, SLOWED, folder)
    base = sides[0].ready(case, inputs, _slow_source(0))
    slow = functools.partial(sides[0].ready, case, inputs, place=1)
    amount, slowed = calibrated(slow, base, _slow_source, AMOUNTS, percent / 100, cold=False, rounds=CALIBRATING)
    row = compared(case, slowed, base, SLOWING[state], SLOWER, answers)
    name = f"{SLOWED} in NumPy slower by {percent} %, {state}"
    answers.data["slower"].append({"name": name, "state": state, "percent": percent, "amount": amount} | row)


def _slow_source(amount: int) -> str:
    return SLOW_SOURCE.format(amount=amount)


def show(results: dict[str, Any]) -> list[str]:
    """Print the tables; returns the goals that were missed."""
    missed = [f"{name}: {error}" for name, error in results["errors"].items()]
    took = sum(results["took_s"].get(label, 0.0) for label in LABELS)
    print(f"{results['device']}, cores {results['cores']}; float32, warm cache, end to end; {took:.0f} s")
    for state in ("quiet", "busy"):
        rows = [row for row in results["truth"] if row["state"] == state]
        print("\nquiet" if state == "quiet" else "\nbeside a busy neighbour")
        print_truth(rows, "independent us")
        missed += missed_truth(rows) if state == "quiet" else []
    print_compared([*results["same"], *results["apart"], *results["slower"]])
    print()
    missed += too_few(results["same"], COMPARISONS)
    for state in ("quiet", "busy"):
        same, slower = ([row for row in results[name] if row["state"] == state] for name in ("same", "slower"))
        missed += called_different(same, f", {state}")
        slow = called_slower(slower, SLOWER, f", {state}")
        missed += slow if state == "quiet" else []
    print("all goals met" if not missed else "missed:\n  " + "\n  ".join(missed))
    return missed


class Looped(Bare):
    """Seconds of one call by clocks outside kparity's timing layer, warm cache."""

    def __call__(self, task: str) -> dict[str, Any]:
        """Medians over batches of calls: `loop` by the wall clock, `thread` by the time that this thread ran."""
        loop: list[float] = []
        thread: list[float] = []
        self._batch(task, 20)
        batch = max(2, round(BATCH_S / self._batch(task, 20)[0]))
        until = time.perf_counter() + LOOP_S
        while time.perf_counter() < until or len(loop) < 20:
            wall, own = self._batch(task, batch)
            loop.append(wall)
            thread.append(own)
        return {"loop": statistics.median(loop), "thread": statistics.median(thread), "calls": batch * len(loop)}

    def _batch(self, task: str, count: int) -> tuple[float, float]:
        calls, wait = self.calls(task), self.backend.synchronize
        own, wall = time.thread_time_ns(), time.perf_counter_ns()
        for number in range(count):
            wait(calls[number % len(calls)]())
        done = time.perf_counter_ns()
        return (done - wall) * 1e-9 / count, (time.thread_time_ns() - own) * 1e-9 / count


if __name__ == "__main__":
    main()
