"""A run: many evaluations, side by side where that harms nothing, each record handed out as it finishes."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from kparity.backend import Backend, DeviceInfo
from kparity.case import Case
from kparity.errors import KparityError, Unavailable, WorkerError
from kparity.evaluation import Bench, Subject, blank_record, evaluate, lost
from kparity.records import Evaluation, Isolation, Verdict
from kparity.sandbox.host import InlineRunner, ProcessRunner, Runner
from kparity.spec import KernelSpec
from kparity.timing import TimingPolicy
from kparity.verify import Check, Problem

_CACHE_BYTES = 2 << 30


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is carried out; these are the defaults, and reports print the ones in force.

    Attributes:
        seed: of every input; drawn at random where it is None.
        isolation: `process` gives every line-up a worker; `inline` runs in this process.
        timing: None takes no times.
        timeout_s: for one request to a worker.
        jobs: line-ups that work at the same time; 0 means one for each processor core.
    """

    seed: int | None = None
    isolation: Isolation = "process"
    timing: TimingPolicy | None = TimingPolicy()
    timeout_s: float = 300.0
    jobs: int = 0


@dataclass
class Lane:
    """One backend's device with the subjects that run on it, one after another.

    Attributes:
        work: (subject, spec, case) in order.
    """

    backend: Backend
    label: str
    options: Options
    device: DeviceInfo | None = None
    unavailable: Unavailable | None = None
    work: list[tuple[Subject, KernelSpec, Case]] = field(default_factory=list)
    runner: Runner | None = None

    def open(self) -> None:
        """Start the runner and open the device; if that fails, `unavailable` says why."""
        try:
            self.runner = self._runner()
            self.device = self.runner.open(0)
        except Unavailable as error:
            self.unavailable = error
        except WorkerError as error:
            printed = self.runner.output() if self.runner is not None else ""
            self.unavailable = Unavailable(f"{self.backend.name} cannot be opened: {error}", printed)
        if self.unavailable is not None:
            self.close()

    def close(self) -> None:
        """End the runner."""
        runner, self.runner = self.runner, None
        if runner is not None:
            runner.close()

    def _runner(self) -> Runner:
        if self.options.isolation == "inline":
            return InlineRunner(self.backend)
        return ProcessRunner(self.backend, self.options.timeout_s)


class Machine:
    """Many may use the machine at once, but whoever takes a time has it alone; a waiting timing goes first."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs or os.cpu_count() or 1
        self._users = 0
        self._waiting = 0
        self._timing = False
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Hold while working without taking times."""
        with self._changed:
            self._changed.wait_for(lambda: not self._timing and not self._waiting and self._users < self._jobs)
            self._users += 1
        try:
            yield
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold while taking times."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._timing and not self._users)
            self._waiting -= 1
            self._timing = True
        try:
            yield
        finally:
            with self._changed:
                self._timing = False
                self._changed.notify_all()


class Problems:
    """The problems of a run, posed once and shared by all lanes while memory allows."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._posed: OrderedDict[tuple[str, str], Problem] = OrderedDict()
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._guard = threading.Lock()

    def pose(self, spec: KernelSpec, case: Case) -> Problem:
        """The problem of that case; waits if another lane is just posing it."""
        key = (case.task, case.key)
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            with self._guard:
                known = self._posed.get(key)
            if known is not None:
                return known
            problem = Problem.pose(spec, case, self._seed)
            with self._guard:
                self._posed[key] = problem
                while len(self._posed) > 1 and sum(map(_weight, self._posed.values())) > _CACHE_BYTES:
                    self._posed.popitem(last=False)
            return problem


def run_lanes(lanes: Sequence[Lane], checks: Sequence[Check], seed: int, options: Options) -> Iterator[Evaluation]:
    """Work the lanes off and yield each record as it finishes. Lanes must be open; they are closed at the end.

    Closing the generator, or an exception such as Ctrl-C in the consumer, ends every worker.
    """
    machine, problems = Machine(options.jobs), Problems(seed)
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
        running = len(threads)
        while running:
            item = finished.get()
            if item is None:
                running -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item
    finally:
        stop.set()
        for lane in lanes:
            lane.close()


def open_all(lanes: Sequence[Lane]) -> None:
    """Open every lane's device, a few at a time: mostly imports."""
    gate = threading.Semaphore(os.cpu_count() or 1)

    def open_one(lane: Lane) -> None:
        with gate:
            lane.open()

    _each(open_one, lanes)


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
    if lane.runner is None or lane.device is None:
        return msgspec.structs.replace(blank, verdict=Verdict.of_error(f"the device was lost: {lane.unavailable}"))
    bench = Bench(lane.runner, lane.device, checks, lane.options.timing, machine.shared, machine.exclusive)
    try:
        return evaluate(bench, subject, lambda: problems.pose(spec, case), blank)
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


def _weight(problem: Problem) -> int:
    return sum(array.nbytes for array in (*problem.inputs, *problem.oracle, *problem.bounds))
