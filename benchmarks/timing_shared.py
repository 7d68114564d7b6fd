"""What `timing_truth.py` and `timing_cpu.py` share: opened workers, repeats, A/A, slowed kernels, results on disk.

Nothing here is verified: the kernels are the bundled ones, and whether they are right is asked elsewhere.
"""

from __future__ import annotations

import functools
import json
import os
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kparity import Case, Options, Session
from kparity.backend import Backend
from kparity.compare import ComparePolicy, Contestant, compare_on
from kparity.evaluation import Subject
from kparity.inputs import generate
from kparity.lanes import Lane, open_all
from kparity.loading import resolve
from kparity.timing import TimingPolicy

REPEATS = 10
COMPANION_TURNS = (1, 4, 7, 9)
"""Repeats after which the companion measures too, so that both see the same drift."""

CALIBRATING = 20
CORRECTIONS = 2
"""Pairs of blocks from which the cost of extra work is measured."""


class Answers:
    """The answers as they come, written after each, so that a run that is cut off is of use.

    Args:
        path: JSON file to keep up to date; None keeps nothing.
        seconds: for everything; what is not done by then is left out, and counts as missed.
    """

    def __init__(self, path: Path | None, seconds: float) -> None:
        self.data: dict[str, Any] = {"budget_s": seconds, "took_s": {}, "errors": {}}
        self._path = path
        self._started = time.monotonic()
        self._seconds = seconds
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def left(self) -> float:
        """Seconds before the budget is spent."""
        return self._seconds - (time.monotonic() - self._started)

    def ask(self, name: str, question: Callable[[], None]) -> None:
        """One question: what it raises is kept beside the other answers, and the next one is asked all the same."""
        started = time.monotonic()
        try:
            if self.left() <= 0:
                raise TimeoutError("the time was spent before this question")
            question()
        except Exception as error:
            self.data["errors"][name] = f"{type(error).__name__}: {error}"
        took = self.data["took_s"][name] = round(time.monotonic() - started, 2)
        problem = self.data["errors"].get(name, "")
        print(f"{name}: {took} s, {self.left():.0f} s left {problem}", file=sys.stderr, flush=True)
        if self._path is not None:
            draft = self._path.with_suffix(".draft")
            draft.write_text(json.dumps(self.data, indent=1) + "\n")
            draft.replace(self._path)


def save_inputs(session: Session, cases: dict[str, Case], folder: Path) -> None:
    """Draw every case's inputs once, for the workers and the companions."""
    for task, case in cases.items():
        for number, array in enumerate(generate(session.catalogue.task(task), case, 0)):
            np.save(_input_path(folder, task, number), array)


def load_inputs(cases: dict[str, Case], task: str, folder: Path) -> tuple[np.ndarray, ...]:
    """The inputs that `save_inputs` drew."""
    return tuple(np.load(_input_path(folder, task, number)) for number in range(len(cases[task].inputs)))


def _input_path(folder: Path, task: str, number: int) -> Path:
    return folder / f"{task.replace('/', '.')}.{number}.npy"


class Side:
    """An opened worker for one label, its clock tested; ceilings are not measured. Leaving the context ends it."""

    def __init__(self, session: Session, lane: Lane) -> None:
        if lane.unavailable is not None or lane.runner is None or lane.device is None:
            raise RuntimeError(f"{lane.label}: {lane.unavailable}")
        self._session = session
        self._lane = lane
        self.label = lane.label
        self.runner = lane.runner
        self.device = lane.device
        self.subject: Subject | None = None
        self.clock = self.runner.calibrate(ceilings=False).clock

    @staticmethod
    def open(session: Session, label: str, task: str, count: int) -> list[Side]:
        """Several workers for one label, started at the same time."""
        backend = session.catalogue.backend(session.labelled(task, label).info.backend)
        lanes = [Lane(backend, label, Options(), session.nursery) for _ in range(count)]
        try:
            open_all(lanes)
            return [Side(session, lane) for lane in lanes]
        except BaseException:
            for lane in lanes:
                lane.close()
            raise

    def ready(self, case: Case, inputs: Sequence[np.ndarray], source: str = "", place: int = 0) -> Contestant:
        """Load the registered implementation, or a candidate's source text, at a place and run it once."""
        self.runner.use(place)
        if source:
            entry_point = case.task.partition("/")[2]
            subject = Subject.candidate(case.task, self._lane.backend.name, source, entry_point)
        else:
            subject = self._session.labelled(case.task, self.label)
        info = subject.info
        self.runner.load(target=info.target, source=subject.source, entry_point=subject.entry_point)
        self.runner.execute(case, tuple(inputs))
        return Contestant(subject, self.runner, self.clock.resolution_s if self.clock is not None else 0.0, place)

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *failure: object) -> None:
        self._lane.close()


class Companion:
    """A process that measures the same calls without kparity's timing layer: a line with a task in, JSON out.

    Args:
        script: serves with `serve` when it is started with `--companion LABEL FOLDER`.
    """

    def __init__(self, script: str, label: str, folder: Path) -> None:
        command = [sys.executable, script, "--companion", label, str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, task: str, timeout_s: float = 90.0) -> dict[str, Any]:
        """Measure one task.

        Raises:
            RuntimeError: it failed, died or did not answer in time.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(task + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], timeout_s)[0]:
            raise RuntimeError(f"the companion did not answer within {timeout_s:g} s")
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the companion ended with status {process.wait(10)}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"the companion failed: {answer['error']}")
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def serve(answer: Callable[[str], dict[str, Any]]) -> None:
    """Answer tasks from standard input until it closes; whatever else is printed goes to standard error."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            reply = answer(line.strip())
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)


def bare_calls(
    session: Session, backend: Backend, label: str, case: Case, inputs: Sequence[np.ndarray]
) -> list[Callable[[], tuple[Any, ...]]]:
    """Calls of an implementation on two copies of its inputs, straight through the opened backend."""
    function = resolve(session.labelled(case.task, label).info.target)
    copies = [[backend.put(array) for array in inputs] for _ in range(2)]
    executable = backend.compile(function, copies[0], case)

    def call(arguments: list[Any]) -> tuple[Any, ...]:
        outputs = executable(*arguments)
        return tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)

    return [functools.partial(call, arguments) for arguments in copies]


class Bare:
    """Calls of one implementation on the inputs in a folder, with no clock of kparity's in the process.

    Args:
        label: which implementation.
        cases_of: the cases by task, of a session's catalogue.
        folder: where `save_inputs` put the inputs.
    """

    def __init__(self, label: str, cases_of: Callable[[Session], dict[str, Case]], folder: Path) -> None:
        self._session = Session()
        self._label = label
        self._folder = folder
        self._cases = cases_of(self._session)
        self._calls: dict[str, list[Callable[[], tuple[Any, ...]]]] = {}

    @functools.cached_property
    def backend(self) -> Backend:
        """The implementation's own, opened."""
        info = self._session.labelled(next(iter(self._cases)), self._label).info
        backend = self._session.catalogue.backend(info.backend)
        backend.open(0)
        return backend

    def calls(self, task: str) -> list[Callable[[], tuple[Any, ...]]]:
        """The calls of one task; those of the task before are let go."""
        if task not in self._calls:
            inputs = load_inputs(self._cases, task, self._folder)
            self._calls = {task: bare_calls(self._session, self.backend, self._label, self._cases[task], inputs)}
        return self._calls[task]


def repeated(
    side: Side, companion: Companion, task: str, policy: TimingPolicy, measurand: str
) -> tuple[list[float], list[dict[str, Any]]]:
    """Medians in seconds of `REPEATS` measurements, and what the companion answered in between."""
    medians, answers = [], []
    for number in range(REPEATS):
        timed = side.runner.measure(policy)
        found = next((one for one in timed.measurements if one.measurand == measurand), None)
        if found is None:
            faults = side.clock.faults if side.clock is not None else "the device has no clock"
            raise RuntimeError(f"no {measurand} time: {timed.withheld or faults}")
        medians.append(found.median_s)
        if number in COMPANION_TURNS:
            answers.append(companion.ask(task))
    return medians, answers


def truth_row(case: Case, side: Side, medians: Sequence[float], others: Sequence[float]) -> dict[str, Any]:
    """kparity's median beside the independent one; both in microseconds."""
    middle = statistics.median(medians)
    return {
        "task": case.task,
        "case": case.key,
        "label": side.label,
        "clock": side.clock.clock if side.clock is not None else "host",
        "median_us": round(middle * 1e6, 4),
        "independent_us": round(statistics.median(others) * 1e6, 4),
        "off": round(middle / statistics.median(others) - 1, 6),
        "spread": round((max(medians) - min(medians)) / middle, 6),
        "repeats_us": [round(one * 1e6, 3) for one in medians],
        "independent_repeats_us": [round(one * 1e6, 3) for one in others],
    }


def compared(
    case: Case, first: Contestant, second: Contestant, policy: ComparePolicy, count: int, answers: Answers
) -> dict[str, Any]:
    """`count` comparisons, or as many as the time allows: `[outcome, ratio, low, high, pairs, seconds]` each."""
    rows = []
    while len(rows) < count and answers.left() > policy.budget_s:
        one = compare_on(case, first, second, policy)
        numbers = [round(value, 5) for value in (one.ratio, one.low, one.high)]
        rows.append([one.outcome, *numbers, one.pairs, round(one.seconds, 3)])
    if not rows:
        raise TimeoutError("no time was left for a comparison")
    outcomes = [row[0] for row in rows]
    return {
        "case": case.key,
        "wanted": count,
        "comparisons": len(rows),
        "measurand": one.measurand,
        "cache": policy.cache,
        "outcomes": {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
        "ratio": statistics.median(row[1] for row in rows),
        "pairs": statistics.median(row[4] for row in rows),
        "seconds": statistics.median(row[5] for row in rows),
        "seconds_most": max(row[5] for row in rows),
        "each": rows,
    }


def calibrated(
    slow: Callable[[str], Contestant],
    plain: Contestant,
    source: Callable[[int], str],
    amounts: tuple[int, int],
    fraction: float,
    *,
    cold: bool,
    rounds: int = CALIBRATING,
) -> tuple[int, Contestant]:
    """A contestant slower than `plain` by `fraction`: the extra work follows from its cost at two amounts, corrected.

    Args:
        slow: makes a contestant of a candidate's source text.
        source: such a text with that amount of extra work.
        amounts: little and much, to measure what a unit of it costs.
        rounds: how often each is measured.
    """

    def excess(amount: int) -> float:
        slowed = slow(source(amount))
        ratios = []
        for _ in range(rounds):
            one, other = (side.sample(10, cold) for side in (slowed, plain))
            pair = (one.device, other.device) if one.device else (one.end_to_end, other.end_to_end)
            ratios.append(statistics.median(pair[0]) / statistics.median(pair[1]))
        return statistics.median(ratios) - 1

    low, high = (excess(amount) for amount in amounts)
    each = (high - low) / (amounts[1] - amounts[0])
    amount = max(amounts[0], round(amounts[0] + (fraction - low) / each))
    for _ in range(CORRECTIONS):
        amount = max(amounts[0], round(amount + (fraction - excess(amount)) / each))
    return amount, slow(source(amount))
