"""Is kparity's device time true? Held against torch's profiler, against itself, and against kernels made slower.

    python benchmarks/timing_truth.py --out benchmarks/results/NAME     # on a machine with an NVIDIA GPU
    python benchmarks/timing_truth.py --check --from auto               # check the newest committed results

Four questions, two tables; float32 perf cases, cold cache, every implementation in workers of its own:

* truth: device time of one call against the kernels, copies and fills that torch's profiler (Kineto) saw of the same
  call in a process of its own, in turns; goal: within 1 %.
* repeats: ten runs of each; goal: the medians spread, (largest - smallest) / median, by less than 0.5 %.
* A/A: an implementation compared with itself in another process, 200 times in all; goal: at most 5 % called faster or
  slower.
* slower: the same kernel followed by one that keeps the GPU busy for another 1 % or 2 %; goal: at least 95 % of the
  comparisons say so.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
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

from kparity import Case, Session
from kparity.compare import ComparePolicy
from kparity.timing import TimingPolicy

NAME = "timing_truth.json"
TASKS = ("activation/softmax", "normalization/rms_norm", "matmul/matmul", "broadcast/add_bias")
LABELS = ("torch:eager", "triton", "cuda", "jax:xla")
COMPARISONS = 200
SLOWER = 40
SLOWED, SLOWED_LABEL = "normalization/rms_norm", "torch:eager"
SECONDS = 270.0
TIMING = TimingPolicy(target=0.0005, budget_s=0.2, minimum=40)
COMPARING = ComparePolicy(budget_s=0.4)
ROUNDS = 60
AMOUNTS = (1, 40_000)
"""GPU cycles: next to nothing, and some 8 % of the slowed kernel."""

SLOW_SOURCE = """
import torch
from kparity_torch.kernels.normalization.rms_norm import rms_norm as kernel

def rms_norm(x, weight, eps=1e-6):
    y = kernel(x, weight, eps)
    torch.cuda._sleep({amount})
    return y
"""


def main() -> None:
    """Measure or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help=f"folder for {NAME}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time for everything (default %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    parser.add_argument("--from", dest="source", help="results to read instead of measuring: a folder, or 'auto'")
    parser.add_argument(
        "--compare-only", action="store_true", help="ask A/A and slower again; the rest stays as --out holds it"
    )
    parser.add_argument("--companion", nargs=2, metavar=("LABEL", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.companion:
        label, folder = arguments.companion
        serve(Profiled(label, cases_of, Path(folder)))
        return
    if arguments.source:
        results = read(arguments.source, NAME)
    else:
        answers = Answers(arguments.out and arguments.out / NAME, arguments.seconds)
        if arguments.compare_only:
            if arguments.out is None:
                parser.error("--compare-only needs --out, a folder with earlier results")
            answers.data |= read(str(arguments.out), NAME)
        results = measure(answers, compare_only=arguments.compare_only)
    missed = show(results)
    if arguments.check and missed:
        sys.exit("missed: " + "; ".join(missed))


def cases_of(session: Session) -> dict[str, Case]:
    """The float32 perf case of every task."""
    return {task: session.catalogue.task(task).cases(roles=["perf"], dtypes=["float32"])[0] for task in TASKS}


def measure(answers: Answers, *, compare_only: bool = False) -> dict[str, Any]:
    """Ask everything on this machine, or what is compared alone."""
    session = Session()
    cases = cases_of(session)
    answers.data |= {"same": [], "slower": []}
    if not compare_only:
        answers.data |= {"device": "", "truth": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        answers.ask("draw inputs", functools.partial(save_inputs, session, cases, folder))
        for label in LABELS:
            answers.ask(label, functools.partial(_all_of, answers, session, cases, folder, label, compare_only))
    return answers.data


def _all_of(
    answers: Answers, session: Session, cases: dict[str, Case], folder: Path, label: str, compare_only: bool
) -> None:
    """Every question about one line-up."""
    with contextlib.ExitStack() as stack:
        sides = [stack.enter_context(one) for one in Side.open(session, label, TASKS[0], 2)]
        answers.data["device"] = sides[0].device.name
        answers.data.setdefault("clocks", {})[label] = repr(sides[0].clock)
        answers.data.setdefault("versions", {})[label] = sides[0].device.versions
        if not compare_only:
            with contextlib.closing(Companion(__file__, label, folder)) as companion:
                for task in TASKS:
                    ask = functools.partial(_truth, answers, cases, folder, sides[0], companion, task)
                    answers.ask(f"truth {task} {label}", ask)
        answers.ask(f"A/A {label}", functools.partial(_same, answers, cases, folder, sides))
        for percent in (1, 2) if label == SLOWED_LABEL else ():
            ask = functools.partial(_slower, answers, cases, folder, sides, percent)
            answers.ask(f"slower by {percent} %", ask)


def _truth(answers: Answers, cases: dict[str, Case], folder: Path, side: Side, companion: Companion, task: str) -> None:
    side.ready(cases[task], load_inputs(cases, task, folder))
    medians, others = repeated(side, companion, task, TIMING, "device")
    row = truth_row(cases[task], side, medians, [one["us"] * 1e-6 for one in others])
    answers.data["truth"].append(row | {"kernels": others[0]["kernels"]})


def _same(answers: Answers, cases: dict[str, Case], folder: Path, sides: Sequence[Side]) -> None:
    case, inputs = cases[TASKS[0]], load_inputs(cases, TASKS[0], folder)
    first, second = (side.ready(case, inputs) for side in sides)
    row = compared(case, first, second, COMPARING, COMPARISONS // len(LABELS), answers)
    answers.data["same"].append({"name": f"A/A {sides[0].label}"} | row)


def _slower(answers: Answers, cases: dict[str, Case], folder: Path, sides: Sequence[Side], percent: int) -> None:
    case, inputs = cases[SLOWED], load_inputs(cases, SLOWED, folder)
    base = sides[1].ready(case, inputs)
    slow = functools.partial(sides[0].ready, case, inputs)
    cold = COMPARING.cache == "cold"
    amount, slowed = calibrated(slow, base, _slow_source, AMOUNTS, percent / 100, cold=cold)
    row = compared(case, slowed, base, COMPARING, SLOWER, answers)
    name = f"{sides[0].label} slower by {percent} %"
    answers.data["slower"].append({"name": name, "percent": percent, "amount": amount} | row)


def _slow_source(amount: int) -> str:
    return SLOW_SOURCE.format(amount=amount)


def show(results: dict[str, Any]) -> list[str]:
    """Print the tables; returns the goals that were missed."""
    missed = [f"{name}: {error}" for name, error in results["errors"].items()]
    took = sum(results["took_s"].get(name, 0.0) for name in ("draw inputs", *LABELS))
    print(f"device: {results['device']}; float32 perf cases, cold cache; {took:.0f} s\n")
    print_truth(results["truth"], "profiler us")
    missed += missed_truth(results["truth"])
    seen = {(row["task"], row["label"]) for row in results["truth"]}
    missed += [f"{task} on {label}: no answer" for task in TASKS for label in LABELS if (task, label) not in seen]
    print_compared([*results["same"], *results["slower"]])
    print()
    missed += called_different(results["same"])
    missed += too_few(results["same"], COMPARISONS)
    missed += called_slower(results["slower"], SLOWER)
    print("all goals met" if not missed else "missed:\n  " + "\n  ".join(missed))
    return missed


class Profiled(Bare):
    """Device time of calls by torch's profiler, cold cache."""

    def __call__(self, task: str) -> dict[str, Any]:
        """Median over `ROUNDS` calls, in microseconds, and the kernels of the last one."""
        rounds = split(profile(self.calls(task), self.backend.flush_cache, self.backend.synchronize))
        if len(rounds) != ROUNDS or not all(rounds):
            raise RuntimeError(f"{len(rounds)} of {ROUNDS} rounds found, {sum(map(bool, rounds))} with work in them")
        return {"us": statistics.median(map(busy_us, rounds)), "kernels": [name for name, _, _ in rounds[-1]]}


Event = tuple[str, float, float]
"""Name, start and end in microseconds of what the GPU did."""


def profile(
    calls: Sequence[Callable[[], tuple[Any, ...]]], flush: Callable[[], bool], wait: Callable[[Sequence[Any]], None]
) -> list[Event]:
    """What torch's profiler saw of the GPU while the calls took turns, the cache flushed before each."""
    import torch
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    torch.zeros(1, device="cuda")
    for number in range(6):
        flush()
        wait(calls[number % len(calls)]())
    with profiler(activities=[ProfilerActivity.CUDA]) as seen:
        for number in range(ROUNDS):
            flush()
            wait(calls[number % len(calls)]())
    return [
        (event.name, event.time_range.start, event.time_range.end)
        for event in seen.events()
        if event.device_type == DeviceType.CUDA
    ]


def split(events: Sequence[Event]) -> list[list[Event]]:
    """The events of each call: those after one flush and before the next, by the GPU's own order.

    A flush is a fill; it is much longer than any fill that a kernel's preparation makes.
    """
    fills = [end - start for name, start, end in events if name.startswith("Memset")]
    if not fills:
        raise RuntimeError(f"no flush among {len(events)} events: {sorted({name for name, _, _ in events})}")
    rounds: list[list[Event]] = []
    for event in sorted(events, key=lambda event: event[1]):
        name, start, end = event
        if name.startswith("Memset") and end - start > max(fills) / 2:
            rounds.append([])
        elif rounds:
            rounds[-1].append(event)
    return rounds


def busy_us(events: Sequence[Event]) -> float:
    """Time in which at least one of them ran."""
    total, reach = 0.0, -math.inf
    for _, start, end in sorted(events, key=lambda event: event[1]):
        total += max(end - max(start, reach), 0.0)
        reach = max(reach, end)
    return total


if __name__ == "__main__":
    main()
