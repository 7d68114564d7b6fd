"""Is kparity's device time true? Held against torch's profiler, against itself, and against kernels made slower.

    python benchmarks/timing_truth.py --out benchmarks/results/NAME     # on a machine with an NVIDIA GPU
    python benchmarks/timing_truth.py --check --from auto               # check the newest committed results

Four questions, one table:

* truth: device time of one call against the kernels' durations as torch's profiler (Kineto, CUPTI) records them in a
  process of its own, with the same cold cache; goal: within 1 %.
* repeats: ten runs of each; goal: the medians spread, (largest - smallest) / median, by less than 0.5 %.
* A/A: an implementation compared with itself, 200 times in all; goal: at most 5 % called faster or slower.
* slower: the same kernel followed by one that keeps the GPU busy for another 1 % or 2 %; goal: at least 95 % of the
  comparisons notice.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kparity import Options, Session
from kparity.compare import ComparePolicy, Contestant, compare_on
from kparity.evaluation import Subject
from kparity.inputs import generate
from kparity.lanes import Lane, open_all
from kparity.timing import TimingPolicy
from kparity.verify import Problem

RESULTS = Path(__file__).parent / "results"
TASKS = ("activation/softmax", "normalization/rms_norm", "matmul/matmul", "broadcast/add_bias")
LABELS = ("triton", "cuda", "jax:xla", "torch:eager")
REPEATS = 10
COMPARISONS = 200
SLOWER = 40
SLOWED = "normalization/rms_norm"

SLOW_SOURCE = """
import torch
from kparity_torch.kernels.normalization.rms_norm import rms_norm as kernel

def rms_norm(x, weight, eps=1e-6):
    y = kernel(x, weight, eps)
    {delay}
    return y
"""


def main() -> None:
    """Measure or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for timing_truth.json")
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    parser.add_argument("--from", dest="source", help="results to read instead of measuring: a folder, or 'auto'")
    parser.add_argument("--profile", metavar="LABEL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.profile:
        print(json.dumps(_profile(arguments.profile)))
        return
    results = _read(arguments.source) if arguments.source else measure()
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "timing_truth.json").write_text(json.dumps(results, indent=1) + "\n")
    missed = show(results)
    if arguments.check and missed:
        sys.exit("missed: " + "; ".join(missed))


def measure() -> dict[str, Any]:
    """Take everything, on this machine."""
    session = Session()
    started = time.perf_counter()
    problems = {task: _problem(session, task) for task in TASKS}
    results: dict[str, Any] = {"truth": [], "comparisons": []}
    for label in LABELS:
        results["truth"] += _truth(session, problems, label)
        results["comparisons"].append(_same(session, problems[TASKS[0]], label, COMPARISONS // len(LABELS)))
        print(results["truth"][-len(TASKS) :], results["comparisons"][-1], file=sys.stderr, flush=True)
    results["slower"] = [_slower(session, problems[SLOWED], percent) for percent in (1, 2)]
    results["device"] = results["truth"][0]["device"]
    results["seconds"] = time.perf_counter() - started
    return results


def show(results: dict[str, Any]) -> list[str]:
    """Print the tables; returns the goals that were missed."""
    missed = []
    print(f"device: {results['device']}")
    print(f"{'task':26}{'implementation':16}{'kparity us':>12}{'profiler us':>12}{'off':>9}{'spread':>9}")
    for one in results["truth"]:
        off, spread = one["median_us"] / one["profiler_us"] - 1, one["spread"]
        print(
            f"{one['task']:26}{one['label']:16}{one['median_us']:12.2f}{one['profiler_us']:12.2f}"
            f"{off:9.2%}{spread:9.2%}"
        )
        name = f"{one['task']} on {one['label']}"
        missed += [f"{name}: {off:.2%} off the profiler"] if abs(off) > 0.01 else []
        missed += [f"{name}: repeats spread by {spread:.2%}"] if spread >= 0.005 else []
    wrong = sum(one["wrong"] for one in results["comparisons"])
    total = sum(one["comparisons"] for one in results["comparisons"])
    for one in results["comparisons"]:
        print(
            f"A/A {one['label']:16} {one['wrong']} of {one['comparisons']} called different {one['outcomes']}, "
            f"{one['seconds']:.2f} s each"
        )
    missed += [f"A/A: {wrong} of {total} called different"] if wrong > 0.05 * total else []
    for one in results["slower"]:
        found = f"{one['found']} of {one['comparisons']} found slower"
        print(f"slower by {one['percent']} % (measured {one['true']:.2%}): {found}, {one['seconds']:.2f} s each")
        missed += [f"{one['percent']} % slower: {found}"] if one["found"] < 0.95 * one["comparisons"] else []
    print("all goals met" if not missed else "missed: " + "; ".join(missed))
    return missed


def _truth(session: Session, problems: dict[str, Problem], label: str) -> list[dict[str, Any]]:
    """Repeated device times of every task on one backend, beside the profiler's."""
    lane = _open(session, TASKS[0], label)
    rows = []
    try:
        for task, problem in problems.items():
            Contestant(session.labelled(task, label), lane.runner).prepare(problem)
            medians = []
            for _ in range(REPEATS):
                timed = lane.runner.measure(TimingPolicy(target=0.001, budget_s=0.2, minimum=40))
                device = next((one for one in timed.measurements if one.measurand == "device"), None)
                if device is None:
                    raise SystemExit(f"{label} has no device time: {timed.withheld or lane.clock}")
                medians.append(device.median_s)
            middle = statistics.median(medians)
            rows.append(
                {
                    "task": task,
                    "case": problem.case.key,
                    "label": label,
                    "device": lane.device.name,
                    "median_us": middle * 1e6,
                    "spread": (max(medians) - min(medians)) / middle,
                }
            )
    finally:
        lane.close()
    profiled = subprocess.run(
        [sys.executable, __file__, "--profile", label], check=True, capture_output=True, text=True
    )
    for row, micros in zip(rows, json.loads(profiled.stdout.splitlines()[-1]), strict=True):
        row["profiler_us"] = micros
    return rows


def _profile(label: str) -> list[float]:
    """Median kernel time of a call in us for each task, by torch's profiler, cold cache; without our clock."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    session, rounds, medians = Session(), 50, []
    lane = _open(session, TASKS[0], label, calibrate=False, isolation="inline")
    engine: Any = lane.runner
    torch.zeros(1, device="cuda")
    for task in TASKS:
        spec, subject = session.catalogue.task(task), session.labelled(task, label)
        (case, *_) = spec.cases(roles=["perf"], dtypes=["float32"])
        engine.load(target=subject.info.target)
        engine.execute(case, generate(spec, case, 0))
        call, wait, flush = engine._timed_calls()[0], engine._backend.synchronize, engine._backend.flush_cache
        for _ in range(5):
            wait(call())
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            for _ in range(rounds):
                flush()
                wait(call())
        kernels = sorted(
            (event.time_range.start, event.time_range.elapsed_us())
            for event in profiler.events()
            if event.device_type.name == "CUDA" and not event.name.startswith("Memset")
        )
        each = len(kernels) // rounds
        medians.append(statistics.median(sum(t for _, t in kernels[i * each : (i + 1) * each]) for i in range(rounds)))
    return medians


def _same(session: Session, problem: Problem, label: str, count: int) -> dict[str, Any]:
    """An implementation against itself, each side in a process of its own."""
    task = problem.case.task
    first, second = (_open(session, task, label) for _ in range(2))
    try:
        a, b = (
            Contestant(session.labelled(task, label), one.runner, one.clock.resolution_s) for one in (first, second)
        )
        for side in (a, b):
            side.prepare(problem)
        started = time.perf_counter()
        outcomes = [compare_on(problem.case, a, b, ComparePolicy(budget_s=2)).outcome for _ in range(count)]
        seconds = (time.perf_counter() - started) / count
    finally:
        first.close()
        second.close()
    return {
        "label": label,
        "comparisons": count,
        "wrong": sum(outcome in ("faster", "slower") for outcome in outcomes),
        "outcomes": {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
        "seconds": seconds,
    }


def _slower(session: Session, problem: Problem, percent: int) -> dict[str, Any]:
    """The kernel against itself with a spin of that share behind it."""
    first, second = (_open(session, SLOWED, "torch:eager") for _ in range(2))
    try:
        plain = Contestant(session.labelled(SLOWED, "torch:eager"), first.runner, first.clock.resolution_s)
        plain.prepare(problem)
        base = statistics.median(first.runner.sample(100, True).device)

        def slowed(cycles: int) -> tuple[Contestant, float]:
            source = SLOW_SOURCE.format(delay=f"torch.cuda._sleep({cycles})")
            side = Contestant(Subject.candidate(SLOWED, "torch", source, "rms_norm"), second.runner)
            side.prepare(problem)
            return side, statistics.median(second.runner.sample(100, True).device) / base - 1

        near, far = slowed(1000)[1], slowed(9000)[1]
        cycles = max(1, round(1000 + (percent / 100 - near) * 8000 / (far - near)))
        slow, true = slowed(cycles)
        started = time.perf_counter()
        outcomes = [compare_on(problem.case, slow, plain, ComparePolicy(budget_s=2)).outcome for _ in range(SLOWER)]
        seconds = (time.perf_counter() - started) / SLOWER
    finally:
        first.close()
        second.close()
    return {
        "percent": percent,
        "true": true,
        "cycles": cycles,
        "comparisons": SLOWER,
        "found": outcomes.count("slower"),
        "outcomes": {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
        "seconds": seconds,
    }


def _open(session: Session, task: str, label: str, *, calibrate: bool = True, isolation: Any = "process") -> Any:
    """An opened lane for the implementation, its clock trusted."""
    subject = session.labelled(task, label)
    lane = Lane(session.catalogue.backend(subject.info.backend), label, Options(isolation=isolation))
    open_all([lane])
    if lane.unavailable is not None:
        raise SystemExit(f"{label}: {lane.unavailable}")
    if calibrate:
        lane.calibrate()
        if lane.clock is None or not lane.clock.trusted:
            raise SystemExit(f"{label}: no trusted device clock: {lane.clock}")
    return lane


def _problem(session: Session, task: str) -> Problem:
    spec = session.catalogue.task(task)
    (case, *_) = spec.cases(roles=["perf"], dtypes=["float32"])
    return Problem.pose(spec, case, 0)


def _read(source: str) -> dict[str, Any]:
    if source != "auto":
        return json.loads((Path(source) / "timing_truth.json").read_text())
    found = sorted(RESULTS.glob("*/timing_truth.json"))
    if not found:
        sys.exit(f"no results under {RESULTS}")
    return json.loads(found[-1].read_text())


if __name__ == "__main__":
    main()
