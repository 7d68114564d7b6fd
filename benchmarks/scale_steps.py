"""The steps that `scale.py` measures, and the pretend device whose evaluations they record."""

from __future__ import annotations

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
from kparity.assembling import lanes_of
from kparity.crossing import cross, rows_of
from kparity.crossview import matrix_view
from kparity.history import import_runs, open_history
from kparity.html.page import HtmlReporter
from kparity.records import Accuracy, Ceilings, DeviceRef, ImplementationInfo, Roofline
from kparity.regress import regress
from kparity.report import matrix
from kparity.reporting import Combined
from kparity.store import RunFolder

SIZES = {100: (4, 5), 1_000: (10, 20), 10_000: (20, 100)}
"""Tasks, and cases of each, by number of evaluations: five implementations make each case five evaluations."""

IMPLEMENTATIONS = ("base", "one", "two", "three", "four")
LEFT = 10
ACCURACY = Accuracy(output="y", relative_l2=1e-8, worst_ulps=0.5, ulps=(900, 80, 15, 5, 0, 0, 0, 0, 0), compared=1000)
ROOFLINE = Roofline(1e12, 2e12, 5e-4, 0.5, "memory")
CEILINGS = Ceilings(3e12, {"float32": 5e13})
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
        # what `prepare` does before it opens devices
        lanes.extend(lanes_of(session.catalogue, session.nursery, Selection(), OPTIONS))
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


def html(size: int, folder: Path) -> dict[str, float]:
    """`kparity report -o report.html`, of records that have errors and rooflines too; the size of the file."""
    full = folder.parent / f"{folder.name}-full"
    run = open_run(folder)
    store = RunFolder.create(full, msgspec.structs.replace(run.info, ceilings={"pretend": CEILINGS}))
    for one in run:
        store.append(msgspec.structs.replace(one, accuracy=(ACCURACY,), roofline=ROOFLINE))
    store.close()
    page = folder.parent / f"{folder.name}.html"

    def work() -> int:
        runs = read_runs([full])
        page.write_bytes(HtmlReporter().combine(Combined.of(runs)))
        return len(runs)

    return _timed(work, size) | {"bytes": float(page.stat().st_size)}


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
    "HTML report": html,
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
