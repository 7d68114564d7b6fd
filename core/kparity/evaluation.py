"""One evaluation: an implementation meets a problem on a device, and a record comes out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from kparity.accuracy import accuracy
from kparity.attribution import Naming
from kparity.backend import DeviceInfo
from kparity.case import Case
from kparity.determinism import examine, repeats_of
from kparity.diagnosis import explained
from kparity.environment import now
from kparity.errors import Unsupported, WorkerError
from kparity.layouts import ABILITY
from kparity.loading import Implementation
from kparity.machine import OPEN, Gates
from kparity.problem import Problem
from kparity.records import (
    Accuracy,
    Ceilings,
    CheckResult,
    Determinism,
    DeviceRef,
    Evaluation,
    ImplementationInfo,
    Isolation,
    Policy,
    Status,
    Verdict,
)
from kparity.roofline import floor_s, primary_time, roofline
from kparity.sandbox.engine import ImplementationFailure, Returned
from kparity.sandbox.host import Runner
from kparity.scrutiny import Scrutiny
from kparity.spec import KernelSpec
from kparity.timing import Timed, TimingPolicy
from kparity.verify import Check, Evidence, SignatureCheck, judge

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
        info = ImplementationInfo(backend, CANDIDATE, source_digest=fingerprint)
        return cls(info, task, source or "\n", entry_point)  # an empty text is still a text, not a target


@dataclass(frozen=True)
class Setting:
    """Where and how evaluations are made: an opened runner, its device, and the rules in force.

    Attributes:
        ceilings: what the device was measured to reach; None leaves records without a roofline.
        watched: the implementation is watched by every detector.
        policy: whose kernels may run.
        naming: how those that are not the implementation's own are told.
        full_precision: how the framework is asked for float32 products.
        gates: held where others use the machine too.
        repeats: further executions on the same inputs, where `determinism.repeats_of` wants any.
        again: what is watched and passed is called again on other inputs.
    """

    runner: Runner
    device: DeviceInfo
    checks: tuple[Check, ...] = ()
    timing: TimingPolicy | None = None
    ceilings: Ceilings | None = None
    watched: bool = False
    policy: Policy = "any"
    naming: Naming = field(default_factory=Naming)
    full_precision: str = ""
    gates: Gates = OPEN
    repeats: int = 0
    again: bool = True


def evaluate(setting: Setting, subject: Subject, pose: Callable[[], Problem], blank: Evaluation) -> Evaluation:
    """Evaluate `subject` on the problem that `pose` gives.

    The cascade: does the implementation load, does the device support the case, does it run, is it right, how fast is
    it. Each step is reached only if the one before succeeded; what is emulated is not timed.

    Args:
        setting: where it runs.
        subject: what runs.
        pose: draws the inputs and evaluates the oracle; called only if the device supports the case.
        blank: the record to fill in; carries task, case, seed.

    Raises:
        WorkerError: the worker died or hung; the caller makes the record and starts another worker.
    """
    started = time.perf_counter()
    verdict, digest, emulated = Verdict.of_error("not reached"), "", False
    returned: Returned | None = None
    figures: tuple[Accuracy, ...] = ()
    steadiness: Determinism | None = None
    timed: Timed | None = None
    scrutiny: Scrutiny | None = None
    try:
        with setting.gates.shared():
            if setting.watched:
                setting.runner.watch()
            setting.runner.load(target=subject.info.target, source=subject.source, entry_point=subject.entry_point)
            support = setting.runner.supports(blank.case)
            if support.answer == "no":
                raise Unsupported(support.reason or f"{setting.device.name} does not support this case")
            emulated = support.answer == "emulated" or setting.device.kind == "interpreter"
        with setting.gates.thinking():
            problem = pose()
            digest = problem.inputs_digest
        with setting.gates.shared():
            returned = setting.runner.execute(problem.case, problem.inputs)
        with setting.gates.thinking():
            verdict = judge(Evidence(problem, returned.outputs, returned.inputs_digest), setting.checks)
            if returned.seen.findings:
                verdict = Verdict.of_checks([*verdict.checks, *returned.seen.findings])
            if _comparable(verdict):
                figures = accuracy(problem, returned.outputs)
                verdict = explained(verdict, problem, returned.outputs, setting.full_precision)
        more = repeats_of(blank.case.role, setting.repeats, candidate=bool(subject.source), emulated=emulated)
        if verdict.status == "passed" and more:
            with setting.gates.shared():
                later = [setting.runner.again() for _ in range(more)]
            with setting.gates.thinking():
                runs = [(one.outputs, one.inputs_digest) for one in later]
                steadiness, check = examine(problem, returned.outputs, runs, setting.checks)
            verdict = Verdict.of_checks([*verdict.checks, check])
        if verdict.status == "passed" and setting.watched:
            scrutiny = Scrutiny(setting.runner, problem, setting.checks, setting.gates)
            scrutiny.note(returned.seen)
            if setting.again:
                scrutiny.repeat()
            verdict = scrutiny.verdict(verdict)
        if verdict.status == "passed" and setting.timing is not None and not emulated:
            if scrutiny is not None:
                timed = scrutiny.measure(setting.timing)
                verdict = scrutiny.verdict(verdict)
            else:
                with setting.gates.exclusive():
                    timed = setting.runner.measure(setting.timing)
            verdict = _possible(problem.spec, blank.case, setting.device, verdict, timed, setting.ceilings)
        if verdict.status == "passed" and scrutiny is not None and blank.case.role != "edge":
            launches = timed.launches if timed is not None else ()
            scrutiny.attribute(setting.policy, launches, setting.naming, subject.source)
            verdict = scrutiny.verdict(verdict)
    except Unsupported as error:
        verdict = _refused(str(error), subject, blank.case, setting.device)
    except ImplementationFailure as error:
        verdict = Verdict.of_error(str(error))
    detection = None
    if scrutiny is not None:
        detection = scrutiny.detection(setting.runner.isolation, called_again=setting.again)
    record = msgspec.structs.replace(
        blank,
        verdict=verdict,
        accuracy=figures,
        determinism=steadiness,
        compile_s=returned.compile_s if returned is not None else None,
        first_call_s=returned.first_call_s if returned is not None else None,
        emulated=emulated,
        inputs_digest=digest,
        duration_s=time.perf_counter() - started,
        output=setting.runner.output() if verdict.status != "passed" else "",
        detection=detection,
        launches=timed.launches if timed is not None else (),
    )
    if timed is None or verdict.status != "passed":
        return record
    record = msgspec.structs.replace(
        record, measurements=timed.measurements, conditions=timed.conditions, withheld=timed.withheld
    )
    primary = primary_time(record)
    if primary is None or setting.ceilings is None:
        return record
    return msgspec.structs.replace(
        record, roofline=roofline(problem.spec, blank.case, primary.median_s, setting.ceilings)
    )


def _refused(reason: str, subject: Subject, case: Case, device: DeviceInfo) -> Verdict:
    """A candidate cannot choose what it is judged on: only what the device lacks, by its own report, is no fault."""
    lacking = {array.dtype for array in (*case.inputs, *case.outputs)} - set(device.dtypes)
    if case.strided and ABILITY not in device.capabilities:
        lacking.add(ABILITY)
    if subject.source and not lacking and device.kind != "interpreter":
        return Verdict.of_error(f"refused a case that the device supports: {reason}")
    return Verdict.unsupported(reason)


def _comparable(verdict: Verdict) -> bool:
    """Whether the outputs had the declared shapes and dtypes."""
    return any(check.name == SignatureCheck.name and check.status == "passed" for check in verdict.checks)


def _possible(
    spec: KernelSpec, case: Case, device: DeviceInfo, verdict: Verdict, timed: Timed, ceilings: Ceilings | None
) -> Verdict:
    """The verdict with one more check where times were taken cold: none may lie below the physical floor.

    Only on hardware of its own: a CPU's ceilings shift with whatever else runs on it.
    """
    floor = floor_s(spec, case, ceilings) if ceilings is not None and device.kind in ("gpu", "accelerator") else 0.0
    for measurement in timed.measurements:
        if measurement.measurand != "dispatch" and measurement.cache == "cold" and measurement.median_s < floor:
            message = (
                f"{measurement.measurand} time {measurement.median_s:.3g} s is below what this device can do, "
                f"{floor:.3g} s for {case.bytes:,} bytes and {case.flops or 0:,} operations"
            )
            return Verdict.of_checks([*verdict.checks, CheckResult("physical_floor", "failed", message)])
    return verdict


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
        started_at=now(),
    )


def lost(blank: Evaluation, error: WorkerError, output: str) -> Evaluation:
    """The record of an evaluation whose worker was lost."""
    return msgspec.structs.replace(blank, verdict=Verdict.of_error(str(error)), output=output, worker_lost=True)


def overall(evaluations: Iterable[Evaluation]) -> Status:
    """The worst status of several evaluations; `unsupported` only where all of them are."""
    statuses = {evaluation.status for evaluation in evaluations}
    order: tuple[Status, ...] = ("error", "failed", "inconclusive", "passed")
    return next((status for status in order if status in statuses), "unsupported")
