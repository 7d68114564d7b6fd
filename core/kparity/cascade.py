"""How thoroughly candidates are evaluated, step by step, and the best times so far that decide on the last step."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec

from kparity.case import Case
from kparity.errors import NothingEvaluatedError, UsageError
from kparity.evaluation import Subject
from kparity.plan import Selection, select_cases
from kparity.records import Evaluation
from kparity.roofline import primary_time
from kparity.shared_draws import SharedDraws
from kparity.spec import KernelSpec
from kparity.station import Station
from kparity.timing import TimingPolicy

Depth = Literal["none", "short", "full", "auto"]

SHORT = TimingPolicy()
FULL = TimingPolicy(target=0.002, budget_s=1.0, minimum=20)


class Cascade(msgspec.Struct, frozen=True, kw_only=True):
    """How thoroughly candidates are evaluated; these are the defaults.

    Attributes:
        draws: of inputs for each case; the first on the smallest case decides whether there is a second.
        timing: `none`, `short`, `full`, or `auto`: short, and full where the candidate came near the best so far.
        short, full: how times are taken.
        near: how many times the best short time so far a candidate may take and still be timed in full.
        hunt: add fresh shapes and adversarial inputs, drawn after the source was fixed; see `kparity.hunting`.
    """

    draws: int = 2
    timing: Depth = "auto"
    short: TimingPolicy = SHORT
    full: TimingPolicy = FULL
    near: float = 1.05
    hunt: bool = True

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise UsageError(f"draws is {self.draws}; expected at least 1: nothing would be evaluated")
        if self.near < 1:
            raise UsageError(f"near is {self.near:g}; expected a factor of at least 1")


@dataclass(frozen=True)
class Request:
    """What is asked of one candidate.

    Attributes:
        selection: of the task's cases; None takes none of them.
        templates: further cases.
        serial: the candidate's number: it is judged on inputs with a higher one.
    """

    subject: Subject
    spec: KernelSpec
    selection: Selection | None
    templates: tuple[Case, ...]
    cascade: Cascade
    serial: int


class Best:
    """The shortest time so far of each case on each backend, whoever took it."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str, str], float] = {}
        self._guard = threading.Lock()

    def note(self, record: Evaluation) -> None:
        """A record was made; one without a time changes nothing."""
        time = primary_time(record)
        if time is None:
            return
        with self._guard:
            self._seconds[_key(record)] = min(time.median_s, self._seconds.get(_key(record), time.median_s))

    def is_near(self, record: Evaluation, factor: float) -> bool:
        """Whether its time is at most `factor` times the best, or the first of its case."""
        time = primary_time(record)
        if time is None:
            return False
        with self._guard:
            best = self._seconds.get(_key(record))
        return best is None or time.median_s <= factor * best

    def seconds(self, task: str, backend: str) -> dict[str, float]:
        """By the case's key."""
        with self._guard:
            return {key: best for (one, other, key), best in self._seconds.items() if (one, other) == (task, backend)}


def cascaded(request: Request, station: Station, draws: SharedDraws, best: Best) -> Iterator[Evaluation]:
    """Evaluate a candidate at a station; gives the records, in order, up to the first that is not passed.

    Raises:
        NothingEvaluatedError: no case makes sense on the station's device.
    """
    cascade = request.cascade
    cases = station.runnable(_cases(request, draws))
    if not cases:
        raise NothingEvaluatedError(f"no case to run on {station.device.label}: perf cases need hardware")
    for case in sorted(cases, key=lambda case: (case.role != "edge", case.elements)):
        for draw in range(cascade.draws):
            last = draw == cascade.draws - 1
            timed = last and cascade.timing != "none" and case.role != "edge"
            full = cascade.timing == "full"
            policy = (cascade.full if full else cascade.short) if timed else None
            pose = functools.partial(draws.pose, request.spec, case, draw, request.serial)
            record = station.evaluate(request.subject, pose, case, policy, last=last, quiet=full)
            if timed and cascade.timing == "auto" and best.is_near(record, cascade.near):
                deeper = station.evaluate(request.subject, pose, case, cascade.full, last=True, quiet=True)
                record = deeper if deeper.status != "inconclusive" else record
            best.note(record)
            yield record
            if record.status == "unsupported":
                break
            if record.status != "passed":
                return


def _cases(request: Request, draws: SharedDraws) -> list[Case]:
    """What was selected and the further cases, with fresh shapes where those are wanted."""
    chosen = list(request.templates)
    if request.selection is not None:
        selection = msgspec.structs.replace(request.selection, hunt=request.cascade.hunt)
        chosen += select_cases(request.spec, selection, draws.seed(request.serial))
    return chosen


def _key(record: Evaluation) -> tuple[str, str, str]:
    return record.task, record.implementation.backend, record.case.key
