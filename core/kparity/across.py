"""What the devices of a matrix have in common: the cases that each was timed on, and how much speedups differ."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from kparity.case import Role
from kparity.crossing import Matrix
from kparity.records import Measurand
from kparity.rows import Row

_MEANINGS = {"device": "on the device", "end_to_end": "end to end", "dispatch": "until the call returns"}


class Timed(msgspec.Struct, frozen=True):
    """What the times of one device are of.

    Attributes:
        cases: how many of each role were timed there, each counted once for all line-ups.
        measurands: what the times mean that stand for the device.
    """

    cases: dict[Role, int]
    measurands: tuple[Measurand, ...]

    def __str__(self) -> str:
        return f"{self.counted} cases timed {self.meaning}" if self.cases else "no case timed"

    @property
    def counted(self) -> str:
        """Such as `56 perf`."""
        return ", ".join(f"{count} {role}" for role, count in self.cases.items())

    @property
    def meaning(self) -> str:
        """Such as `on the device`."""
        return ", ".join(_MEANINGS[one] for one in self.measurands)


class Variation(msgspec.Struct, frozen=True):
    """How much the speedup of a line-up differs between devices, within one category of tasks.

    Attributes:
        tasks: with a case that has a speedup on two devices or more.
        devices: how many took part.
        factor: geometric standard deviation over devices, pooled over these cases: 1.2 means that a speedup typically
            lies within a factor of 1.2 of its mean over devices.
    """

    category: str
    label: str
    tasks: int
    devices: int
    factor: float


def variation(matrix: Matrix) -> list[Variation]:
    """How much speedups differ between devices, by category and line-up; only of cases that two devices or more have.

    Devices are compared case by case: the mean over a task's cases says as much about the cases as about the device.
    """
    logs: dict[tuple[str, str], dict[tuple[str, str], dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for cell in matrix.cells:
        for entry in cell.entries:
            if entry.speedup is not None:
                case = (cell.task, entry.case)
                logs[cell.category, cell.label][case][cell.device] = math.log(entry.speedup.estimate)
    found = []
    for (category, label), cases in sorted(logs.items()):
        several = {case: by_device for case, by_device in cases.items() if len(by_device) > 1}
        if not several:
            continue
        squares = degrees = 0.0
        for by_device in several.values():
            mean = sum(by_device.values()) / len(by_device)
            squares += sum((value - mean) ** 2 for value in by_device.values())
            degrees += len(by_device) - 1
        devices = {device for by_device in several.values() for device in by_device}
        tasks = {task for task, _ in several}
        found.append(Variation(category, label, len(tasks), len(devices), math.exp(math.sqrt(squares / degrees))))
    return found


def timed_on(matrix: Matrix) -> dict[str, Timed]:
    """What each device was timed on, in the order of columns."""
    cases: dict[str, dict[tuple[str, str], Role]] = {column.device: {} for column in matrix.columns}
    measurands: dict[str, set[Measurand]] = defaultdict(set)
    for cell in matrix.cells:
        for entry in cell.entries:
            if entry.measurand is not None:
                cases[cell.device][cell.task, entry.case] = entry.role
                measurands[cell.device].add(entry.measurand)
    return {
        device: Timed(dict(Counter(roles.values())), tuple(sorted(measurands[device])))
        for device, roles in cases.items()
    }


def apart(matrix: Matrix) -> list[str]:
    """Tasks whose speeds on one device and on another are of different cases."""
    cases: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for cell in matrix.cells:
        timed = {entry.case for entry in cell.entries if entry.speedup is not None}
        if timed:
            cases[cell.task][cell.device] |= timed
    return [task for task, by_device in cases.items() if len({frozenset(one) for one in by_device.values()}) > 1]


def common_cases(rows: Iterable[Row]) -> set[tuple[str, str]]:
    """Task and key of the cases that were evaluated on every device; those of unsupported cases count as well."""
    devices: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        devices[row.task, row.case].add(row.device)
    everywhere = set().union(*devices.values())
    return {case for case, found in devices.items() if found == everywhere}
