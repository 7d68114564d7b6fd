"""Where the time of one evaluation goes: a candidate alone, step by step, for `throughput.py`."""

from __future__ import annotations

import functools
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from isolation import SOURCES, TASK

from kparity import Cascade, Case, Evaluation, Session
from kparity.clock import ClockReport
from kparity.evaluation import Setting, Subject, blank_record, evaluate
from kparity.problem import Problem
from kparity.sandbox.host import ProcessRunner
from kparity.sandbox.limits import Limits
from kparity.signature import CaseTemplate

STAGES = ("fork", "context", "compile", "call", "transfer", "verify", "clock", "time")


def breakdown(session: Session, name: str, shape: CaseTemplate, cascade: Cascade, seconds: float) -> dict[str, Any]:
    """Where the time of one evaluation goes when nothing else runs: medians of at most five.

    Args:
        session: has the backend.
        name: of the backend.
        shape: of the softmax, in float32.
        cascade: draws of inputs, and how times are taken.
        seconds: after which no further one is begun.
    """
    _fork(session, session.catalogue.backend(name))  # starts the zygote
    tested = _clock(session, name)
    (case,) = session.catalogue.task(TASK).bound(shape, ["float32"])
    times: list[float] = []
    until, runs = time.monotonic() + seconds, [_alone(session, name, case, cascade, tested, 0, times)]
    while len(runs) < 5 and time.monotonic() < until:
        runs.append(_alone(session, name, case, cascade, tested, len(runs), times))
    return ({"alonedevice_s": times} if times else {}) | {
        "stages_s": {stage: statistics.median(run[stage] for run in runs) for stage in STAGES},
        "one_s": statistics.median(sum(run.values()) for run in runs),
        "alone": len(runs),
    }


def device_s(evaluations: Iterable[Evaluation]) -> list[float]:
    """The median device times of those that have one."""
    found = [record.time("device") for record in evaluations]
    return [time.median_s for time in found if time is not None]


class _Staged:
    """A runner that notes how long each request takes."""

    KINDS = {"load": "compile", "calibrate": "clock", "rehearse": "time", "measure": "time", "go": "time"}

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
            if name in ("execute", "again"):
                self.seconds["compile"] += answer.compile_s
                self.seconds["call"] += answer.first_call_s
                spent -= answer.compile_s + answer.first_call_s
            self.seconds[self.KINDS.get(name, "transfer")] += spent
            return answer

        return timed


def _clock(session: Session, name: str) -> ClockReport | None:
    """How the device's clock does in its test, which an evaluator makes once."""
    runner = ProcessRunner(session.catalogue.backend(name), 60.0, session.nursery)
    try:
        runner.open(0)
        return runner.calibrate(ceilings=False).clock
    finally:
        runner.close()


def _alone(
    session: Session,
    name: str,
    case: Case,
    cascade: Cascade,
    tested: ClockReport | None,
    number: int,
    times: list[float],
) -> dict[str, float]:
    """Seconds by stage of one candidate's evaluations; its device time goes into `times`."""
    backend, spec = session.catalogue.backend(name), session.catalogue.task(TASK)
    fork = _fork(session, backend)
    started = time.perf_counter()
    runner = ProcessRunner(backend, 60.0, session.nursery, Limits())
    try:
        device = runner.open(0)
        context = max(time.perf_counter() - started - fork, 0.0)
        staged = _Staged(runner)
        subject = Subject.candidate(TASK, name, f"{SOURCES[name]}\n", spec.entry_point)
        begun = time.perf_counter()
        staged.calibrate(ceilings=False, tested=tested)
        for draw in range(cascade.draws):
            last = draw == cascade.draws - 1
            setting = Setting(
                runner=staged,  # type: ignore[arg-type]
                device=device,
                timing=cascade.short if last else None,
                watched=True,
                repeats=2 if last else 0,
                again=last,
            )
            blank = blank_record(subject, case, device, draw, "process")
            seed = 10 * number + draw
            record = evaluate(setting, subject, functools.partial(Problem.pose, spec, case, seed), blank)
            times += device_s([record])
            if record.status != "passed":
                print(f"{name}: {record.status}: {record.verdict.message}", file=sys.stderr)
        whole = time.perf_counter() - begun
    finally:
        runner.close()
    spent = {stage: staged.seconds.get(stage, 0.0) for stage in STAGES}
    return spent | {"fork": fork, "context": context, "verify": whole - sum(staged.seconds.values())}


def _fork(session: Session, backend: Any) -> float:
    """Seconds to fork and confine a worker, up to its first word."""
    started = time.perf_counter()
    runner = ProcessRunner(backend, 60.0, session.nursery, Limits())
    try:
        runner.meet()
        return time.perf_counter() - started
    finally:
        runner.close()
