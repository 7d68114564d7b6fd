"""Runs of any number of machines as one matrix: tasks by (line-up, device).

Times are only ever compared within one piece of hardware, as a speedup over a baseline that ran there; across devices
stand verdicts, speedups and fractions of each device's own measured limit.
"""

from __future__ import annotations

import fnmatch
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from kparity.case import Role
from kparity.ratios import compare_independent
from kparity.records import STATUSES, CacheState, Measurand, Status
from kparity.rows import Row
from kparity.stats import Interval
from kparity.store import Runs

BASELINES: tuple[str, ...] = ("torch:eager", "cpu_ref:numba", "cpu_ref:*")
"""Labels, or globs over labels, of what speedups are taken against: the first that was timed on the same hardware."""


class Ratio(msgspec.Struct, frozen=True):
    """A ratio with its limits: 2 means twice as fast, or twice as long, as the context says."""

    estimate: float
    low: float
    high: float


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One case of a cell.

    Attributes:
        case, role, dtype, elements: what was computed.
        status: the worst of its records, of all pieces of hardware and seeds.
        message: of that verdict.
        median_s, measurand, cache: the newest time, in seconds, on this cell's device; never rank them across devices.
        speedup: of this over the baseline on the same piece of hardware; the limits follow from both 95 % intervals.
        against: label of that baseline; empty where there is none, or where it is the baseline itself.
        fraction, bound: of the device's measured limit.
        runs: folders that its records stand in.
    """

    case: str
    role: Role
    dtype: str
    elements: int
    status: Status
    message: str
    median_s: float | None
    measurand: Measurand | None
    cache: CacheState | None
    speedup: Ratio | None
    against: str
    fraction: float | None
    bound: str
    runs: tuple[str, ...]


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One task of one column.

    Attributes:
        status: the worst status of its evaluations; `unsupported` only where all are.
        passed, ran, unsupported: evaluations; `ran` leaves the unsupported ones out.
        compiled: at least one case gave an output, and none that was supported failed to run.
        emulated: it ran, but not at the hardware's speed.
        speedup: geometric mean over the cases that were timed on both sides; limits from the cases' limits.
        fraction: geometric mean over the cases whose limit is known.
        entries: case by case.
    """

    task: str
    category: str
    label: str
    device: str
    status: Status
    passed: int
    ran: int
    unsupported: int
    compiled: bool
    emulated: bool
    speedup: Ratio | None
    fraction: float | None
    entries: tuple[Entry, ...]


class Column(msgspec.Struct, frozen=True):
    """A line-up on one kind of device.

    Attributes:
        label: e.g. `torch:compile`; a candidate's has the beginning of its source's digest behind an `@`.
        source_digest: of a candidate.
        device: see `Row.device`.
        kind: of the device.
        units: pieces of that hardware.
    """

    label: str
    source_digest: str
    device: str
    kind: str
    units: int


class Matrix(msgspec.Struct, frozen=True):
    """Tasks by columns.

    Attributes:
        tasks: in alphabetical order.
        columns: device by device.
        cells: those that are not empty, in the order of tasks, then columns.
        baselines: labels that speedups were taken against, by device.
        notes: what was found on combining the runs.
    """

    tasks: tuple[str, ...]
    columns: tuple[Column, ...]
    cells: tuple[Cell, ...]
    baselines: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()

    def cell(self, task: str, column: Column) -> Cell | None:
        """The cell of a task and a column; None where nothing was evaluated."""
        found = (one for one in self.cells if (one.task, one.label, one.device) == (task, column.label, column.device))
        return next(found, None)


def rows_of(runs: Runs) -> list[Row]:
    """The flat rows of several runs, in the order listed."""
    return [Row.of_run(reader, evaluation) for reader, evaluation in runs]


def cross(rows: Iterable[Row], baselines: Sequence[str] = BASELINES, notes: Iterable[str] = ()) -> Matrix:
    """Combine rows into the matrix.

    Args:
        rows: of any number of runs.
        baselines: labels or globs over labels, in order of preference.
        notes: to hand on.
    """
    cells: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    columns: dict[tuple[str, str], Row] = {}
    units: dict[tuple[str, str], set[str]] = defaultdict(set)
    timed: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        label = column_label(row)
        cells[row.task, label, row.device].append(row)
        columns[label, row.device] = row
        units[label, row.device].add(row.unit)
        if row.median_s is not None:
            timed[row.task, row.case, row.unit].append(row)
    finished = {key: _cell(key, ones, timed, baselines) for key, ones in cells.items()}
    order = sorted(columns, key=lambda key: (columns[key].kind in ("cpu", "interpreter"), key[1], key[0]))
    tasks = tuple(sorted({task for task, _, _ in cells}))
    used: dict[str, set[str]] = defaultdict(set)
    for cell in finished.values():
        for entry in cell.entries:
            if entry.against:
                used[cell.device].add(entry.against)
    return Matrix(
        tasks=tasks,
        columns=tuple(
            Column(label, columns[label, device].source_digest, device, columns[label, device].kind, len(units[key]))
            for key in order
            for label, device in [key]
        ),
        cells=tuple(finished[task, *key] for task in tasks for key in order if (task, *key) in finished),
        baselines={device: tuple(sorted(labels)) for device, labels in used.items()},
        notes=tuple(notes),
    )


def column_label(row: Row) -> str:
    """Label of the column that a row belongs to."""
    return f"{row.label}@{row.source_digest[:8]}" if row.source_digest else row.label


def geometric(ratios: Sequence[Ratio]) -> Ratio | None:
    """Geometric mean of ratios and of their limits; None of none."""
    if not ratios:
        return None
    parts = ([one.estimate for one in ratios], [one.low for one in ratios], [one.high for one in ratios])
    return Ratio(*(math.exp(sum(map(math.log, part)) / len(part)) for part in parts))


def _cell(
    key: tuple[str, str, str],
    rows: Sequence[Row],
    timed: dict[tuple[str, str, str], list[Row]],
    baselines: Sequence[str],
) -> Cell:
    by_case: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_case[row.case].append(row)
    entries = tuple(_entry(ones, timed, baselines) for ones in by_case.values())
    statuses = [row.status for row in rows]
    fractions = [entry.fraction for entry in entries if entry.fraction]
    unsupported = statuses.count("unsupported")
    ran = [row for row in rows if row.status != "unsupported"]
    return Cell(
        task=key[0],
        category=rows[0].category,
        label=key[1],
        device=key[2],
        status=_worst(statuses),
        passed=statuses.count("passed"),
        ran=len(ran),
        unsupported=unsupported,
        compiled=bool(ran) and all(row.compiled for row in ran),
        emulated=any(row.emulated for row in rows),
        speedup=geometric([entry.speedup for entry in entries if entry.speedup is not None]),
        fraction=math.exp(sum(map(math.log, fractions)) / len(fractions)) if fractions else None,
        entries=entries,
    )


def _entry(rows: Sequence[Row], timed: dict[tuple[str, str, str], list[Row]], baselines: Sequence[str]) -> Entry:
    """One case; of several pieces of hardware, speedups and fractions are averaged, each taken at home."""
    status = _worst([row.status for row in rows])
    worst = next(row for row in rows if row.status == status)
    newest: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row.started_at):
        if row.median_s is not None:
            newest[row.unit] = row
    ratios, against = [], ""
    for row in newest.values():
        base = _baseline(row, timed[row.task, row.case, row.unit], baselines)
        if base is not None and base is not row:
            ratios.append(_speedup(base, row))
            against = base.label
    fractions = [row.fraction for row in newest.values() if row.fraction]
    last = next(reversed(newest.values()), None)
    return Entry(
        case=worst.case,
        role=worst.role,
        dtype=worst.dtype,
        elements=worst.elements,
        status=status,
        message=worst.message,
        median_s=last.median_s if last is not None else None,
        measurand=last.measurand if last is not None else None,
        cache=last.cache if last is not None else None,
        speedup=geometric(ratios),
        against=against,
        fraction=math.exp(sum(map(math.log, fractions)) / len(fractions)) if fractions else None,
        bound=last.bound if last is not None else "",
        runs=tuple(dict.fromkeys(row.run for row in rows)),
    )


def _baseline(row: Row, rivals: Sequence[Row], baselines: Sequence[str]) -> Row | None:
    """What a row is compared with: timed alike, on the same hardware, in the same run where that is possible."""
    alike = [one for one in rivals if (one.measurand, one.cache) == (row.measurand, row.cache)]
    for pattern in baselines:
        found = [one for one in alike if not one.source_digest and fnmatch.fnmatchcase(one.label, pattern)]
        if any(one.label == row.label for one in found) and not row.source_digest:
            return row
        if found:
            return max(found, key=lambda one: (one.run == row.run, one.started_at))
    return None


def _speedup(base: Row, row: Row) -> Ratio:
    return Ratio(*compare_independent(_interval(base), _interval(row)).ratio)


def _interval(row: Row) -> Interval:
    assert row.median_s is not None
    return Interval(row.median_s, row.low_s or row.median_s, row.high_s or row.median_s)


def _worst(statuses: Sequence[Status]) -> Status:
    order: tuple[Status, ...] = ("error", "failed", "inconclusive", "passed", *STATUSES)
    return next(status for status in order if status in statuses)
