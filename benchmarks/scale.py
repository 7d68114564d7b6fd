"""What a run of many recorded evaluations costs: to plan, to append to, to open, to resume, to report.

    python benchmarks/scale.py --out benchmarks/results/DATE-MACHINE/scale.json
    python benchmarks/scale.py --from benchmarks/results/2026-11-22-cpu/scale.json --check

Evaluations are planned and recorded for 100, 1,000 and 10,000 evaluations of a pretend device; nothing is evaluated.
Every step runs in a process of its own; its memory is the peak of that process above one that only imports kparity.
Each record carries 50 samples of two measurands, as a timed case of a CPU does. `--check` holds the largest run against
the goals: no step over 10 s or 200 MiB, and to plan an evaluation costs at most twice what it costs in a run of 1,000.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np

from kparity import (
    Backend,
    Case,
    CheckResult,
    DeviceInfo,
    Evaluation,
    Implementation,
    Measurement,
    Options,
    Selection,
    Session,
    Verdict,
    hookimpl,
    kernel_spec,
    open_run,
    read_runs,
    typical,
)
from kparity.crossing import cross, rows_of
from kparity.crossview import matrix_view
from kparity.history import import_runs, open_history
from kparity.host import host_info
from kparity.records import DeviceRef, ImplementationInfo
from kparity.regress import regress
from kparity.report import matrix
from kparity.store import RunFolder

SIZES = {100: (4, 5), 1_000: (10, 20), 10_000: (20, 100)}
"""Tasks, and cases of each, by number of evaluations: five implementations make each case five evaluations."""

IMPLEMENTATIONS = ("base", "one", "two", "three", "four")
LEFT = 10
RESULTS = Path(__file__).parent / "results"
SECONDS, MEBIBYTES = 10.0, 200.0
OPTIONS = Options(seed=1, timing=None, isolation="inline")


class PretendBackend(Backend):
    """Host memory by another name."""

    name: ClassVar[str] = "pretend"

    def open(self, index: int = 0) -> DeviceInfo:
        self.info = DeviceInfo(backend=self.name, name="Pretend", kind="cpu", index=index)
        return self.info

    def put(self, array: np.ndarray) -> np.ndarray:
        return array.copy()

    def get(self, array: Any) -> np.ndarray:
        return np.array(array)


class Plugin:
    """So many tasks with so many cases each."""

    def __init__(self, tasks: int, cases: int) -> None:
        sizes = [typical(n=n) for n in range(1, cases + 1)]
        self._names = [f"pretend/task{number:03}" for number in range(tasks)]
        self._specs = []
        for name in self._names:

            def double(x):  # type: ignore[no-untyped-def]
                """y[i] = 2 x[i]."""
                return x + x

            self._specs.append(
                kernel_spec(name, inputs={"x": "n : float32"}, outputs={"y": "n : float32"}, cases=sizes, flops="n")(
                    double
                )
            )

    @hookimpl
    def register_backends(self) -> list[Backend]:
        return [PretendBackend()]

    @hookimpl
    def register_tasks(self) -> list[Any]:
        return self._specs

    @hookimpl
    def register_implementations(self) -> list[Implementation]:
        return [Implementation(task, "pretend", "numpy:copy", name) for task in self._names for name in IMPLEMENTATIONS]


def session_of(size: int) -> Session:
    """A session whose catalogue plans that many evaluations."""
    session = Session(extra=[Plugin(*SIZES[size])], discover=False)
    assert not session.catalogue.faults, session.catalogue.faults
    return session


def plan(size: int, folder: Path) -> dict[str, float]:
    """From a catalogue and a selection to the list of evaluations."""
    session = session_of(size)
    lanes = []

    def work() -> int:
        lanes.extend(session._lanes(Selection(), OPTIONS))  # what `prepare` does before it opens devices
        return sum(len(lane.work) for lane in lanes)

    return _timed(work, size)


def start(size: int, folder: Path) -> dict[str, float]:
    """From a catalogue to a run whose device is open: planning, and what does not depend on the plan."""
    session = session_of(size)

    def work() -> int:
        run = session.prepare(Selection(), OPTIONS)
        run.close()
        return run.total

    return _timed(work, size)


def register(size: int, folder: Path) -> dict[str, float]:
    """Checking the tasks and filling the catalogue."""

    def work() -> int:
        catalogue = session_of(size).catalogue
        return sum(
            len(catalogue.task(task).cases()) * len(catalogue.implementations(task, "pretend"))
            for task in catalogue.tasks
        )

    return _timed(work, size)


def append(size: int, folder: Path) -> dict[str, float]:
    """Writing every record, flushed one at a time."""
    run = session_of(size).prepare(Selection(), OPTIONS)
    work = [(lane.label, case) for lane in run._lanes for _, _, case in lane.work]
    run.close()
    rng = np.random.default_rng(1)
    store = RunFolder.create(folder, run.info)
    seconds = cpu = 0.0
    for number, (label, case) in enumerate(work):
        one = record_of(label, case, number, [float(1e-3 * (1 + 0.01 * x)) for x in rng.standard_normal(50)])
        started, cpu_started = time.perf_counter(), time.process_time()
        store.append(one)
        seconds += time.perf_counter() - started
        cpu += time.process_time() - cpu_started
    store.close()
    return {"seconds": seconds, "cpu_s": cpu, "bytes": float((folder / "evaluations.jsonl").stat().st_size)}


def record_of(label: str, case: Case, number: int, samples: list[float]) -> Evaluation:
    """A timed evaluation that passed."""
    return Evaluation(
        task=case.task,
        case=case,
        implementation=ImplementationInfo("pretend", label.partition(":")[2], "owner", "numpy:copy"),
        device=DeviceRef("Pretend", "cpu"),
        verdict=Verdict.of_checks([CheckResult("bound", "passed", "", {"worst_error_over_bound": 0.25})]),
        measurements=tuple(
            Measurement(
                measurand=measurand,
                clock="host:perf_counter",
                resolution_s=1e-7,
                samples_s=tuple(samples),
                warmup=3,
                cache="cold",
                interval_s=(0.99e-3, 1.01e-3),
            )
            for measurand in ("end_to_end", "dispatch")
        ),
        compile_s=1e-5,
        first_call_s=1e-3,
        seed=1,
        inputs_digest=f"{number:032x}",
        started_at="2030-01-01T00:00:00+00:00",
        duration_s=0.5,
    )


def open_(size: int, folder: Path) -> dict[str, float]:
    """Finding out what stands in a folder."""
    return _timed(lambda: len(open_run(folder)), size)


def stream(size: int, folder: Path) -> dict[str, float]:
    """Reading every record, samples included, one at a time."""
    return _timed(lambda: sum(1 for _ in open_run(folder)), size)


def report(size: int, folder: Path) -> dict[str, float]:
    """`kparity report`."""

    def work() -> int:
        run = open_run(folder)
        _print(matrix(run.info, run))
        return len(run)

    return _timed(work, size)


def combine(size: int, folder: Path) -> dict[str, float]:
    """`kparity matrix`."""

    def work() -> int:
        runs = read_runs([folder])
        _print(matrix_view(cross(rows_of(runs), ("pretend:base",))))
        return len(runs)

    return _timed(work, size)


def check(size: int, folder: Path) -> dict[str, float]:
    """`kparity regress`, against itself."""
    return _timed(lambda: len(regress(read_runs([folder]), read_runs([folder])).changes), size)


def remember(size: int, folder: Path) -> dict[str, float]:
    """`kparity history import`."""
    history = open_history(str(folder.parent / f"{folder.name}.db"))
    return _timed(lambda: import_runs(history, [open_run(folder)])[0].added, size)


def resume(size: int, folder: Path) -> dict[str, float]:
    """`kparity run --resume`, up to the first evaluation, with ten evaluations missing and a line cut off."""
    with open(folder / "evaluations.jsonl", "r+b") as file:
        for _ in range(size - LEFT):
            file.readline()
        end = file.tell()
        rest = file.read()
        file.truncate(end + 100)  # in the middle of a line
    session = session_of(size)

    def work() -> int:
        run = session.resume(folder)
        run.close()
        assert run.total == LEFT, run.total
        return run.finished + run.total

    try:
        return _timed(work, size)
    finally:
        with open(folder / "evaluations.jsonl", "r+b") as file:
            file.seek(end)
            file.write(rest)


STEPS: dict[str, Callable[[int, Path], dict[str, float]]] = {
    "register": register,
    "plan": plan,
    "start": start,
    "append": append,
    "open": open_,
    "stream": stream,
    "resume": resume,
    "report": report,
    "matrix": combine,
    "regress": check,
    "history import": remember,
}


def _timed(work: Callable[[], int], size: int) -> dict[str, float]:
    started, cpu = time.perf_counter(), time.process_time()
    count = work()
    found = {"seconds": time.perf_counter() - started, "cpu_s": time.process_time() - cpu}
    assert count == size, f"{count} of {size} evaluations"
    return found


def _print(parts: Any) -> None:
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), width=160)
    for part in parts:
        console.print(part)


def in_child(step: str, size: int, folder: Path) -> dict[str, float]:
    """One step in a process of its own."""
    command = [sys.executable, __file__, "--step", step, "--size", str(size), "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{step} of {size} failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure() -> dict[str, Any]:
    """Every step at every size."""
    found: dict[str, Any] = {"host": msgspec.to_builtins(host_info()), "steps": {}}
    with tempfile.TemporaryDirectory() as temporary:
        for size in SIZES:
            bare = in_child("import", size, Path(temporary))["peak_mib"]
            for step in STEPS:
                result = in_child(step, size, Path(temporary) / f"run{size}")
                result["peak_mib"] = max(result["peak_mib"] - bare, 0.0)
                found["steps"].setdefault(step, {})[str(size)] = result
                print(f"{step} {size}: {result['seconds']:.3f} s", file=sys.stderr)
    found["recorded"] = recorded()
    return found


def recorded() -> dict[str, Any]:
    """What evaluations took in the committed runs on an H100, waiting for others included."""
    found: dict[str, list[float]] = {}
    for run in read_runs([RESULTS / "2026-11-22-h100"]).runs:
        for one in run:
            found.setdefault(f"{run.path.name}, {one.case.role}", []).append(one.duration_s)
    return {name: {"evaluations": len(values), "mean_s": sum(values) / len(values)} for name, values in found.items()}


def table(found: dict[str, Any]) -> list[str]:
    """Markdown rows: seconds, time for each evaluation, and memory, by step and size."""
    sizes = list(next(iter(found["steps"].values())))
    largest = sizes[-1]
    heads = [f"{int(size):,}" for size in sizes]
    lines = [
        f"| step | {' | '.join(heads)} | processor time each, of {heads[-1]} | memory |",
        "| --- " * (len(sizes) + 3) + "|",
    ]
    for step, by_size in found["steps"].items():
        seconds = " | ".join(f"{by_size[size]['seconds']:.3f} s" for size in sizes)
        each = by_size[largest]["cpu_s"] / int(largest) * 1e6
        lines.append(f"| {step} | {seconds} | {each:.1f} us | {by_size[largest]['peak_mib']:.0f} MiB |")
    size_each = found["steps"]["append"][largest]["bytes"] / int(largest)
    lines += ["", f"A record is {size_each:,.0f} bytes.", "", "| committed run | evaluations | mean duration |"]
    lines.append("| --- | --- | --- |")
    for name, one in found["recorded"].items():
        lines.append(f"| {name} | {one['evaluations']:,} | {one['mean_s']:.2f} s |")
    return lines


def faults(found: dict[str, Any]) -> list[str]:
    """The goals that were missed."""
    largest = str(max(map(int, next(iter(found["steps"].values())))))
    missed = []
    for step, by_size in found["steps"].items():
        one = by_size[largest]
        if one["seconds"] > SECONDS:
            missed.append(f"{step} of {largest} took {one['seconds']:.1f} s")
        if one["peak_mib"] > MEBIBYTES:
            missed.append(f"{step} of {largest} took {one['peak_mib']:.0f} MiB")
    planned = {int(size): one["cpu_s"] / int(size) for size, one in found["steps"]["plan"].items()}
    if planned[10_000] > 2 * planned[1_000]:
        missed.append(f"planning is not flat: {planned[1_000] * 1e6:.0f} us, then {planned[10_000] * 1e6:.0f} us")
    return missed


def main() -> None:
    """Measure or read, print, and check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write what was measured to this JSON file")
    parser.add_argument("--from", dest="source", type=Path, help="read such a file instead of measuring")
    parser.add_argument("--check", action="store_true", help="exit 1 where a goal is missed")
    for hidden, kind in (("--step", str), ("--size", int), ("--folder", Path)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step is not None:
        result = STEPS[arguments.step](arguments.size, arguments.folder) if arguments.step in STEPS else {}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**result, "peak_mib": peak}))
        return
    found = json.loads(arguments.source.read_text()) if arguments.source is not None else measure()
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(found, indent=2) + "\n")
    print("\n".join(table(found)))
    missed = faults(found)
    if arguments.check and missed:
        sys.exit("missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
