"""Two sides of a comparison on their workers: opened, found to be on one device, and compared case by case."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kparity.backend import DeviceInfo
from kparity.case import Case
from kparity.compare import Compared, ComparePolicy, Contestant, compare_on
from kparity.errors import UsageError
from kparity.evaluation import Subject
from kparity.lanes import Lane, open_all, same_device
from kparity.lease import lease
from kparity.posing import oracles
from kparity.problem import Problem
from kparity.replication import compare_processes
from kparity.spec import KernelSpec


@dataclass(frozen=True)
class Sides:
    """Two subjects of one task and the lanes that they run on.

    Attributes:
        subjects: the first and the second side.
        lanes: one for each.
    """

    subjects: tuple[Subject, Subject]
    lanes: tuple[Lane, Lane]

    def open(self) -> DeviceInfo:
        """Open both and test their clocks; returns the device.

        Raises:
            UsageError: the two are on different devices, or one is interpreted.
            Unavailable: a backend cannot be opened here.
        """
        devices = []
        open_all(self.lanes)
        for lane in self.lanes:
            if lane.unavailable is not None or lane.device is None:
                raise lane.unavailable or UsageError(f"{lane.label} was closed")
            lane.calibrate(ceilings=False)
            devices.append(lane.device)
        one, other = devices
        if "interpreter" in (one.kind, other.kind):
            raise UsageError(f"{one.label} and {other.label}: what is interpreted is never timed")
        if not same_device(one, other):
            labels = [subject.info.label for subject in self.subjects]
            raise UsageError(
                f"{labels[0]} runs on {one.label}, {labels[1]} on {other.label}: a paired "
                "comparison needs one device; record a run on each and compare the records"
            )
        return one

    def compare(self, spec: KernelSpec, cases: Sequence[Case], seed: int, policy: ComparePolicy) -> Iterator[Compared]:
        """Compare the opened sides on each case.

        On a device clock, and where both share a worker or this process, one pair of workers says what there is to
        say. On the host clock the process is replicated.

        Raises:
            UsageError: a side does not pass a case, or only one of them has a trusted device clock.
        """
        one = self.lanes[0]
        assert one.device is not None
        shared = one.device.kind == "cpu" and _may_share(*self.subjects)
        if shared:
            self.lanes[1].close()
        trusted = [lane.clock is not None and lane.clock.trusted for lane in self.lanes]
        exclusive = functools.partial(lease, one.device)
        alone = shared or any(trusted) or one.options.isolation == "inline" or policy.processes <= 1
        cache = oracles(one.options, self.subjects)
        for case in cases:
            problem = Problem.pose(spec, case, seed, cache)
            if alone:
                sides = self._contestants(problem, shared=shared)
                yield compare_on(case, *sides, policy, cases=len(cases), exclusive=exclusive)
            else:
                yield compare_processes(
                    case,
                    lambda number, problem=problem: self._fresh(number, problem),  # type: ignore[misc]
                    policy,
                    cases=len(cases),
                    exclusive=exclusive,
                )

    def close(self) -> None:
        """End both."""
        for lane in self.lanes:
            lane.close()

    def _contestants(self, problem: Problem, *, shared: bool = False) -> tuple[Contestant, Contestant]:
        """Both sides with the problem loaded, run and verified."""
        first, second = self.subjects
        one, other = (self.lanes[0], self.lanes[0]) if shared else self.lanes
        pair = _contestant(first, one, 0), _contestant(second, other, int(shared))
        for contestant in pair:
            contestant.prepare(problem)
        return pair

    @contextlib.contextmanager
    def _fresh(self, number: int, problem: Problem) -> Iterator[tuple[Contestant, Contestant]]:
        """The workers that are open already for the first pair of a case, new ones for each further pair."""
        if not number:
            yield self._contestants(problem)
            return
        lanes = [Lane(lane.backend, lane.label, lane.options, lane.nursery, work=lane.work) for lane in self.lanes]
        again = Sides(self.subjects, (lanes[0], lanes[1]))
        try:
            again.open()
            yield again._contestants(problem)
        finally:
            again.close()


def _may_share(first: Subject, second: Subject) -> bool:
    """Whether the two may run in one process: the same backend, and no candidate among them."""
    return first.info.backend == second.info.backend and not first.source and not second.source


def _contestant(side: Subject, lane: Lane, place: int) -> Contestant:
    assert lane.runner is not None
    return Contestant(side, lane.runner, lane.clock.resolution_s if lane.clock is not None else 0.0, place)
