"""One evaluation: an implementation meets a problem on a device, and a record comes out."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from kparity.backend import DeviceInfo, Implementation
from kparity.case import Case
from kparity.errors import Unsupported, WorkerError
from kparity.records import DeviceRef, Evaluation, ImplementationInfo, Isolation, Measurement, Status, Verdict
from kparity.sandbox.engine import ImplementationFailure
from kparity.sandbox.host import Runner
from kparity.timing import TimingPolicy
from kparity.verify import Check, Evidence, Problem, judge

CANDIDATE = "candidate"
"""Name of an implementation that was given as source text."""


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a registered implementation, or a candidate's source text."""

    info: ImplementationInfo
    task: str
    source: str = ""
    entry_point: str = ""

    @classmethod
    def registered(cls, one: Implementation) -> Subject:
        """A registered implementation."""
        return cls(ImplementationInfo(one.backend, one.name, one.owner, one.target), one.task)

    @classmethod
    def candidate(cls, task: str, backend: str, source: str, entry_point: str) -> Subject:
        """Source text; the record carries its digest."""
        fingerprint = hashlib.sha256(source.encode()).hexdigest()[:16]
        return cls(ImplementationInfo(backend, CANDIDATE, source_digest=fingerprint), task, source, entry_point)


@dataclass(frozen=True)
class Bench:
    """Where and how evaluations are made: an opened runner, its device, and the rules in force.

    Attributes:
        shared, exclusive: held while the machine is merely used, and while something is timed.
    """

    runner: Runner
    device: DeviceInfo
    checks: tuple[Check, ...] = ()
    timing: TimingPolicy | None = None
    shared: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    exclusive: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext


def evaluate(bench: Bench, subject: Subject, pose: Callable[[], Problem], blank: Evaluation) -> Evaluation:
    """Evaluate `subject` on the problem that `pose` gives.

    The cascade: does the implementation load, does the device support the case, does it run, is it right, how fast is
    it. Each step is reached only if the one before succeeded; what is emulated is not timed.

    Args:
        bench: where it runs.
        subject: what runs.
        pose: draws the inputs and evaluates the oracle; called only if the device supports the case.
        blank: the record to fill in; carries task, case, seed.

    Raises:
        WorkerError: the worker died or hung; the caller makes the record and starts another worker.
    """
    started = time.perf_counter()
    verdict, digest, compile_s, emulated = Verdict.of_error("not reached"), "", None, False
    measurements: tuple[Measurement, ...] = ()
    try:
        with bench.shared():
            bench.runner.load(target=subject.info.target, source=subject.source, entry_point=subject.entry_point)
            support = bench.runner.supports(blank.case)
            if support.answer == "no":
                raise Unsupported(support.reason or f"{bench.device.name} does not support this case")
            emulated = support.answer == "emulated"
            problem = pose()
            digest = problem.inputs_digest
            returned = bench.runner.execute(problem.case, problem.inputs)
            compile_s = returned.compile_s
            verdict = judge(Evidence(problem, returned.outputs, returned.inputs_digest), bench.checks)
        if verdict.status == "passed" and bench.timing is not None and blank.case.role != "edge" and not emulated:
            with bench.exclusive():
                measurements = bench.runner.measure(bench.timing)
    except Unsupported as error:
        verdict = Verdict.unsupported(str(error))
    except ImplementationFailure as error:
        verdict = Verdict.of_error(str(error))
    return msgspec.structs.replace(
        blank,
        verdict=verdict,
        measurements=measurements,
        compile_s=compile_s,
        emulated=emulated,
        inputs_digest=digest,
        duration_s=time.perf_counter() - started,
        output=bench.runner.output() if verdict.status != "passed" else "",
    )


def blank_record(
    subject: Subject, case: Case, device: DeviceInfo | None, seed: int, isolation: Isolation
) -> Evaluation:
    """A record in which nothing has happened yet."""
    return Evaluation(
        task=case.task,
        case=case,
        implementation=subject.info,
        device=DeviceRef.of(device) if device is not None else None,
        verdict=Verdict.of_error("not reached"),
        seed=seed,
        isolation=isolation,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def lost(blank: Evaluation, error: WorkerError, output: str) -> Evaluation:
    """The record of an evaluation whose worker was lost."""
    return msgspec.structs.replace(blank, verdict=Verdict.of_error(str(error)), output=output)


def overall(evaluations: Iterable[Evaluation]) -> Status:
    """The worst status of several evaluations; `unsupported` only where all of them are."""
    statuses = {evaluation.status for evaluation in evaluations}
    order: tuple[Status, ...] = ("error", "failed", "inconclusive", "passed")
    return next((status for status in order if status in statuses), "unsupported")
