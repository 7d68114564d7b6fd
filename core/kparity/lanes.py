"""A run: many evaluations, side by side where that harms nothing, each record handed out as it finishes."""

from __future__ import annotations

import functools
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from kparity.attribution import Naming
from kparity.backend import Backend, DeviceInfo
from kparity.case import Case
from kparity.clock import ClockReport
from kparity.errors import KparityError, Unavailable, WorkerError
from kparity.evaluation import Setting, Subject, blank_record, evaluate, lost
from kparity.host import is_busy
from kparity.lease import lease
from kparity.machine import Gates, Machine
from kparity.options import Options
from kparity.posing import Problems, oracles
from kparity.records import Ceilings, Evaluation, Verdict
from kparity.roofline import HOST, best_ceilings, known_ceilings, recall_ceilings, recall_products, remember_ceilings
from kparity.sandbox.host import InlineRunner, ProcessRunner, Runner
from kparity.sandbox.nursery import Nursery
from kparity.spec import KernelSpec
from kparity.verify import Check

T = TypeVar("T")


@dataclass
class Lane:
    """One backend's device with the subjects that run on it, one after another.

    Attributes:
        work: (subject, spec, case) in order.
        nursery: where its workers come from.
        timed: which of the cases are timed.
        clock: how the device's clock did in its self-test; None where it has none.
        ceilings: what the device was measured to reach.
    """

    backend: Backend
    label: str
    options: Options
    nursery: Nursery
    device: DeviceInfo | None = None
    unavailable: Unavailable | None = None
    work: list[tuple[Subject, KernelSpec, Case]] = field(default_factory=list)
    runner: Runner | None = None
    clock: ClockReport | None = None
    ceilings: Ceilings | None = None
    timed: Callable[[KernelSpec, Case], bool] = lambda spec, case: case.role != "edge"
    abandoned: bool = False

    def open(self) -> None:
        """Start the runner and open the device; if that fails, `unavailable` says why."""
        try:
            self.runner = self._runner()
            if self.abandoned:
                raise Unavailable("the run was ended")
            self.device = self.runner.open(0)
        except Unavailable as error:
            self.unavailable = error
        except WorkerError as error:
            if self.abandoned:
                return
            printed = self.runner.output() if self.runner is not None else ""
            self.unavailable = Unavailable(f"{self.backend.name} cannot be opened: {error}", printed)
        if self.unavailable is not None:
            self.close()

    def calibrate(self, *, ceilings: bool = True, others: Sequence[Ceilings] = ()) -> None:
        """Test the device's clock; with `ceilings`, measure those unless that was done before, on this machine.

        Ceilings of a processor that has other things to do are not kept for later runs.

        Args:
            ceilings: whether they are wanted.
            others: what other backends measured on this device in this run; their products are not measured again, nor
                those of earlier runs.

        Raises:
            WorkerError: the worker was lost.
        """
        assert self.runner is not None
        assert self.device is not None
        with lease(self.device):
            self.clock = self.runner.calibrate(ceilings=False).clock
            clock = self.clock.clock if self.clock is not None and self.clock.trusted else HOST
            self.ceilings = recall_ceilings(self.device, clock) if ceilings else None
            if self.ceilings is not None or not ceilings:
                return
            earlier = recall_products(self.device, clock)
            others = [*others, earlier] if earlier is not None else others
            shared = best_ceilings(None, others)
            known = known_ceilings(shared) if shared is not None else ()
            measured = self.runner.calibrate(ceilings=True, known=known, tested=self.clock).ceilings
        if measured is not None:
            self.ceilings = best_ceilings(measured, others)
        if self.ceilings is not None and self.ceilings.bytes_per_s and not (self.device.kind == "cpu" and is_busy()):
            remember_ceilings(self.device, self.ceilings, clock)

    def abandon(self) -> None:
        """End the runner for good, also one that another thread is just starting."""
        self.abandoned = True
        self.close()

    def close(self) -> None:
        """End the runner."""
        runner, self.runner = self.runner, None
        if runner is not None:
            runner.close()

    def _runner(self) -> Runner:
        if self.options.isolation == "inline":
            return InlineRunner(self.backend)
        trusted = not any(subject.source for subject, _, _ in self.work)
        limits = None if trusted else self.options.limits
        return ProcessRunner(self.backend, self.options.timeout_s, self.nursery, limits)


def received(arriving: queue.Queue[T | BaseException | None], senders: int) -> Iterator[T]:
    """What so many threads send until each has sent None; an exception that one sends is raised here."""
    while senders:
        item = arriving.get()
        if item is None:
            senders -= 1
        elif isinstance(item, BaseException):
            raise item
        else:
            yield item


def run_lanes(lanes: Sequence[Lane], checks: Sequence[Check], seed: int, options: Options) -> Iterator[Evaluation]:
    """Work the lanes off and yield each record as it finishes. Lanes must be open; they are closed at the end.

    Closing the generator, or an exception such as Ctrl-C in the consumer, ends every worker.
    """
    kinds = {lane.device.kind for lane in lanes if lane.device is not None}
    machine = Machine(options.jobs, apart=options.timing is None or kinds <= {"gpu", "accelerator", "interpreter"})
    problems = Problems(seed, oracles(options, (subject for lane in lanes for subject, _, _ in lane.work)))
    finished: queue.Queue[Evaluation | BaseException | None] = queue.Queue()
    stop = threading.Event()

    def work(lane: Lane) -> None:
        try:
            for subject, spec, case in lane.work:
                if stop.is_set():
                    return
                finished.put(_evaluate_on(lane, subject, spec, case, seed, machine, problems, tuple(checks)))
        except BaseException as error:  # a defect of kparity itself: hand it to the consumer
            if not stop.is_set():
                finished.put(error)
        finally:
            finished.put(None)

    threads = [threading.Thread(target=work, args=(lane,), name=lane.label, daemon=True) for lane in lanes]
    try:
        for thread in threads:
            thread.start()
        if machine.apart:
            problems.prefetch(_agenda(lanes), stop)
        yield from received(finished, len(threads))
    finally:
        stop.set()
        for lane in lanes:
            lane.abandon()


def open_all(lanes: Sequence[Lane]) -> None:
    """Open every lane's device, a few at a time: mostly imports. An interruption ends them all."""
    gate = threading.Semaphore(os.cpu_count() or 1)

    def open_one(lane: Lane) -> None:
        with gate:
            lane.open()

    try:
        _each(open_one, lanes)
    except BaseException:
        for lane in lanes:
            lane.abandon()
        raise


def calibrate_all(lanes: Sequence[Lane]) -> None:
    """Calibrate every lane whose work is timed, one after the other, and share ceilings between lanes of a device.

    A lane whose worker is lost over it becomes unavailable.
    """
    for lane in lanes:
        timed = lane.options.timing is not None and any(lane.timed(spec, case) for _, spec, case in lane.work)
        if not timed or lane.device is None or lane.device.kind == "interpreter":
            continue
        try:
            lane.calibrate(others=_of_same_device(lane, lanes))
        except (WorkerError, KparityError) as error:
            printed = lane.runner.output() if lane.runner is not None else ""
            lane.unavailable = Unavailable(f"{lane.backend.name} cannot be calibrated: {error}", printed)
            lane.device = None
            lane.close()
    for lane in lanes:
        if lane.device is not None:
            lane.ceilings = best_ceilings(lane.ceilings, _of_same_device(lane, lanes))


def _of_same_device(lane: Lane, lanes: Sequence[Lane]) -> list[Ceilings]:
    """What was measured on a lane's device."""
    assert lane.device is not None
    same = [other.ceilings for other in lanes if other.device is not None and same_device(other.device, lane.device)]
    return [one for one in same if one is not None]


def same_device(one: DeviceInfo, other: DeviceInfo) -> bool:
    """Whether two reports are about the same piece of hardware."""
    return one.kind == other.kind and (one.uuid, one.name, one.index) == (other.uuid, other.name, other.index)


def _evaluate_on(
    lane: Lane,
    subject: Subject,
    spec: KernelSpec,
    case: Case,
    seed: int,
    machine: Machine,
    problems: Problems,
    checks: tuple[Check, ...],
) -> Evaluation:
    blank = blank_record(subject, case, lane.device, seed, lane.options.isolation)
    if lane.runner is None:  # the worker was lost in the evaluation before
        lane.open()
        interpreted = lane.device is not None and lane.device.kind == "interpreter"
        if lane.runner is not None and lane.options.timing is not None and not interpreted:
            known = [lane.ceilings] if lane.ceilings is not None else []
            try:
                assert lane.device is not None
                with machine.exclusive(lane.device):
                    lane.calibrate()
                lane.ceilings = best_ceilings(lane.ceilings, known)
            except WorkerError as error:
                lane.unavailable = Unavailable(f"{lane.backend.name} cannot be calibrated: {error}")
                lane.close()
    if lane.runner is None or lane.device is None:
        message = f"the device was lost: {lane.unavailable}"
        return msgspec.structs.replace(blank, verdict=Verdict.of_error(message), worker_lost=True)
    setting = Setting(
        runner=lane.runner,
        device=lane.device,
        checks=checks,
        timing=lane.options.timing if lane.timed(spec, case) else None,
        ceilings=lane.ceilings,
        watched=bool(subject.source) or lane.options.watch == "all" or lane.options.policy != "any",
        policy=lane.options.policy,
        naming=Naming.of(lane.backend),
        full_precision=lane.backend.full_precision,
        gates=Gates(
            # An interpreter takes the longest and is never timed: it does not queue for a core.
            functools.partial(machine.shared, counted=lane.device.kind != "interpreter"),
            functools.partial(machine.exclusive, lane.device),
            machine.thinking,
        ),
        repeats=lane.options.repeats,
    )
    blank = msgspec.structs.replace(blank, assurance=lane.runner.assurance)
    try:
        return evaluate(setting, subject, lambda: problems.pose(spec, case), blank)
    except WorkerError as error:
        record = lost(blank, error, lane.runner.output())
        lane.close()
        return record
    except KparityError as error:  # the spec failed on this case
        return msgspec.structs.replace(blank, verdict=Verdict.of_error(str(error)))


def _each(function: Callable[[Lane], None], lanes: Sequence[Lane]) -> None:
    threads = [threading.Thread(target=function, args=(lane,), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _agenda(lanes: Sequence[Lane]) -> list[tuple[KernelSpec, Case]]:
    """Every case of the run once, in the order in which the first lane to need it comes to it."""
    agenda: dict[tuple[str, str], tuple[int, KernelSpec, Case]] = {}
    for lane in lanes:
        for place, (_, spec, case) in enumerate(lane.work):
            agenda.setdefault((case.task, case.key), (place, spec, case))
    return [(spec, case) for _, spec, case in sorted(agenda.values(), key=lambda item: item[0])]
