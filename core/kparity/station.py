"""Where candidates are evaluated: a worker each, on devices that they share with others."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable

import msgspec

from kparity.attribution import Naming
from kparity.backend import Backend, DeviceInfo
from kparity.case import Case
from kparity.catalogue import Catalogue
from kparity.clock import ClockReport
from kparity.errors import KparityError, Unavailable, WorkerError
from kparity.evaluation import Setting, Subject, blank_record, evaluate, lost
from kparity.lanes import Lane
from kparity.machine import Gates, Machine
from kparity.options import Options
from kparity.plan import runs_by_default
from kparity.problem import Problem
from kparity.records import Evaluation, Verdict
from kparity.sandbox.engine import Calibration
from kparity.sandbox.host import ProcessRunner
from kparity.sandbox.nursery import Nursery
from kparity.sandbox.pool import WorkerPool
from kparity.timing import TimingPolicy
from kparity.verify import Check


class Station:
    """An opened worker for one candidate. Call `end` when done; from another thread, that ends the evaluation."""

    def __init__(self, home: _Home, runner: ProcessRunner, device: DeviceInfo) -> None:
        self.device = device
        self._home = home
        self._runner = runner
        self._calibrated = False
        self._machine = home.machine(device)

    def runnable(self, cases: Iterable[Case]) -> list[Case]:
        """The cases that make sense on this device: perf cases need hardware."""
        return [case for case in cases if runs_by_default(case, self.device)]

    def evaluate(
        self,
        subject: Subject,
        problem: Callable[[], Problem],
        case: Case,
        policy: TimingPolicy | None,
        *,
        last: bool,
        quiet: bool,
    ) -> Evaluation:
        """Evaluate the candidate on one problem.

        Args:
            problem: poses it; called only if the device supports the case.
            policy: how to take times; None takes none.
            last: whether this is the last draw of the case: it is the one after which what passed is called again.
            quiet: whether everything else on the device rests while times are taken, or only other timings do.
        """
        home, kind, machine = self._home, self.device.kind, self._machine
        blank = blank_record(subject, case, self.device, 0, self._runner.isolation)
        blank = msgspec.structs.replace(blank, assurance=self._runner.assurance)
        posed: list[Problem] = []

        def pose() -> Problem:
            posed.append(problem())
            return posed[0]

        try:
            ceilings = None
            if policy is not None and kind != "interpreter":
                known = home.calibration(self._machine)
                ceilings = known.ceilings
                self._calibrate(known.clock)
            setting = Setting(
                runner=self._runner,
                device=self.device,
                checks=home.checks,
                timing=policy,
                ceilings=ceilings,
                watched=True,
                policy=home.options.policy,
                naming=Naming.of(home.backend),
                full_precision=home.backend.full_precision,
                gates=Gates(
                    functools.partial(machine.shared, counted=kind != "interpreter"),
                    functools.partial(machine.exclusive, self.device, quiet=quiet),
                    machine.thinking,
                ),
                repeats=home.options.repeats if last else 0,
                again=last,
            )
            record = evaluate(setting, subject, pose, blank)
        except WorkerError as error:
            record = lost(blank, error, self._runner.output())
        except KparityError as error:  # the spec failed on this case
            record = msgspec.structs.replace(blank, verdict=Verdict.of_error(str(error)))
        return msgspec.structs.replace(record, seed=posed[0].seed) if posed else record

    def end(self) -> None:
        """End the worker and all that it started."""
        self._runner.close()

    def _calibrate(self, tested: ClockReport | None) -> None:
        """Open this worker's clock; one that is not known to be sound is tested, with the device to itself."""
        if not self._calibrated:
            sound = tested is None or tested.trusted
            with self._machine.shared() if sound else self._machine.exclusive(self.device):
                self._runner.calibrate(ceilings=False, tested=tested)
            self._calibrated = True


class Stations:
    """Stations of any backend, workers kept ready, and one `Machine` for each device.

    Args:
        catalogue: holds the checks.
        nursery: where workers come from.
        options: limits, timeout, policy and repeats.
        jobs: evaluations that use a device at the same time.
        warm: workers kept ready for each backend.
    """

    def __init__(self, catalogue: Catalogue, nursery: Nursery, options: Options, *, jobs: int, warm: int) -> None:
        self.checks: tuple[Check, ...] = tuple(catalogue.checks.values())
        self.options = options
        self.nursery = nursery
        self.jobs, self.warm = jobs, warm
        self._homes: dict[str, _Home] = {}
        self._machines: dict[tuple[str, str, str, int], Machine] = {}
        self._guard = threading.Lock()

    def start(self, backend: Backend) -> None:
        """Begin to open workers of a backend ahead of need."""
        self._home(backend)

    def take(self, backend: Backend) -> Station:
        """A station for one candidate; waits until its worker is ready.

        Raises:
            Unavailable: the device cannot be opened.
            WorkerError: this was closed.
        """
        home = self._home(backend)
        opened = home.pool.take()
        return Station(home, opened.runner, opened.device)

    def machine(self, device: DeviceInfo) -> Machine:
        """Who guards the device: all CPU devices are one."""
        key = ("cpu", "", "", 0) if device.kind == "cpu" else (device.kind, device.uuid, device.name, device.index)
        with self._guard:
            if key not in self._machines:
                self._machines[key] = Machine(self.jobs, apart=device.kind != "cpu")
            return self._machines[key]

    def close(self) -> None:
        """End the workers that nobody took."""
        with self._guard:
            homes = list(self._homes.values())
            self._homes = {}
        for home in homes:
            home.pool.close()

    def _home(self, backend: Backend) -> _Home:
        with self._guard:
            if backend.name not in self._homes:
                self._homes[backend.name] = _Home(self, backend)
            return self._homes[backend.name]


class _Home:
    """What the stations of one backend share."""

    def __init__(self, stations: Stations, backend: Backend) -> None:
        self.backend = backend
        self.options = stations.options
        self.checks = stations.checks
        self.machine = stations.machine
        self._nursery = stations.nursery
        self.pool = WorkerPool(
            backend,
            warm=stations.warm,
            at_once=max(1, min(4, stations.jobs // 4)),
            timeout_s=stations.options.timeout_s,
            limits=stations.options.limits,
            nursery=stations.nursery,
        )
        self._known: Calibration | None = None
        self._guard = threading.Lock()

    def calibration(self, machine: Machine) -> Calibration:
        """How the device's clock did in its test, and what the device reaches, recalled or measured.

        Found out once, in a worker that no candidate ever sees.
        """
        with self._guard:
            if self._known is None:
                lane = Lane(self.backend, self.backend.name, self.options, self._nursery)
                lane.open()
                try:
                    if lane.device is None:
                        raise lane.unavailable or Unavailable("no reason given")
                    with machine.exclusive(lane.device):
                        lane.calibrate()
                    self._known = Calibration(lane.clock, lane.ceilings)
                except (WorkerError, Unavailable) as error:
                    self._known = Calibration(ClockReport("", 0.0, 0.0, (f"not tested: {error}",)), None)
                finally:
                    lane.close()
            return self._known
