"""Questions to the history: what is fastest, and how did it change."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from kparity.errors import NothingEvaluatedError
from kparity.history.database import History

if TYPE_CHECKING:
    from sqlalchemy import Row as Result
    from sqlalchemy import Select


class Best(msgspec.Struct, frozen=True, kw_only=True):
    """The fastest known implementation of one case on one device.

    Attributes:
        task, case, device: of what.
        label, source_digest: which implementation.
        median_s, low_s, high_s: its time in seconds with the 95 % limits of the median.
        measurand, cache: of the time; bests of unlike measurands stand side by side.
        fraction: of the device's measured limit; None where that is not known.
        runner_up: label of the second; empty where nothing else was timed.
        lead: time of the second over time of the first.
        run, folder, started_at: where that was measured.
    """

    task: str
    case: str
    device: str
    label: str
    source_digest: str
    median_s: float
    low_s: float | None
    high_s: float | None
    measurand: str
    cache: str
    fraction: float | None
    runner_up: str
    lead: float | None
    run: str
    folder: str
    started_at: str


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation among those of the same case, implementation and device over time.

    Attributes:
        median_s, low_s, high_s: its time in seconds; None where none was taken.
        change: that over the first time of the same measurand in the series; None where there is none.
        kparity, commit: of the run.
    """

    task: str
    case: str
    label: str
    source_digest: str
    device: str
    started_at: str
    status: str
    measurand: str
    median_s: float | None
    low_s: float | None
    high_s: float | None
    change: float | None
    kparity: str
    commit: str
    run: str


def best(history: History, task: str, *, case: str = "*", device: str = "*") -> list[Best]:
    """The fastest implementation of each case of a task on each device.

    Of every implementation only its newest evaluation counts, and only if that passed: what was fast but is wrong now
    is not known to be good.

    Args:
        task: name of the task.
        case, device: globs.

    Raises:
        NothingEvaluatedError: the history knows no such evaluation.
    """
    newest: dict[tuple[str, ...], Any] = {}
    for row in _select(history, task, case=case, device=device):
        newest[row.case, row.device, row.label, row.source_digest, row.unit] = row  # in the order of time
    groups: dict[tuple[str, ...], list[Any]] = {}
    for row in newest.values():
        if row.status == "passed" and row.median_s is not None:
            groups.setdefault((row.case, row.device, row.measurand, row.cache), []).append(row)
    found = []
    for _, rows in sorted(groups.items(), key=lambda item: item[0]):
        first, *others = sorted(rows, key=lambda row: row.median_s)
        theirs = (row for row in others if (row.label, row.source_digest) != (first.label, first.source_digest))
        second = next(theirs, None)
        found.append(
            Best(
                task=task,
                case=first.case,
                device=first.device,
                label=first.label,
                source_digest=first.source_digest,
                median_s=first.median_s,
                low_s=first.low_s,
                high_s=first.high_s,
                measurand=first.measurand,
                cache=first.cache,
                fraction=first.fraction,
                runner_up=second.label if second is not None else "",
                lead=second.median_s / first.median_s if second is not None else None,
                run=first.run_id,
                folder=first.folder,
                started_at=first.started_at,
            )
        )
    return found


def trend(history: History, task: str, *, case: str = "*", label: str = "*", device: str = "*") -> list[Point]:
    """Every evaluation of a task over time, series by series.

    Args:
        task: name of the task.
        case, label, device: globs.

    Raises:
        NothingEvaluatedError: the history knows no such evaluation.
    """
    rows = _select(history, task, case=case, device=device, label=label)
    rows = sorted(rows, key=lambda row: (row.case, row.label, row.source_digest, row.device))  # stable: time stays
    first: dict[tuple[str, ...], float] = {}
    points = []
    for row in rows:
        change = None
        if row.median_s is not None:
            series = (row.case, row.label, row.source_digest, row.device, row.measurand, row.cache)
            change = row.median_s / first.setdefault(series, row.median_s)
        points.append(
            Point(
                task=task,
                case=row.case,
                label=row.label,
                source_digest=row.source_digest,
                device=row.device,
                started_at=row.started_at,
                status=row.status,
                measurand=row.measurand,
                median_s=row.median_s,
                low_s=row.low_s,
                high_s=row.high_s,
                change=change,
                kparity=row.kparity,
                commit=row.commit_id,
                run=row.run_id,
            )
        )
    return points


def _select(history: History, task: str, **globs: str) -> Sequence[Result[Any]]:
    """The task's evaluations that match, oldest first, without their records."""
    import sqlalchemy as sql

    runs, evaluations = history.runs, history.evaluations
    columns = [column for column in evaluations.c if column.name != "record"]
    query: Select[Any] = (
        sql.select(*columns, runs.c.folder, runs.c.kparity, runs.c.commit_id)
        .join(runs, runs.c.id == evaluations.c.run_id)
        .where(evaluations.c.task == task)
        .order_by(evaluations.c.started_at, evaluations.c.run_id, evaluations.c.place)
    )
    with history.transaction() as connection:
        rows = [
            row
            for row in connection.execute(query)
            if all(fnmatch.fnmatchcase(getattr(row, name), pattern) for name, pattern in globs.items())
        ]
    if not rows:
        wanted = ", ".join(f"{name} {pattern!r}" for name, pattern in globs.items() if pattern != "*")
        raise NothingEvaluatedError(
            f"{history.url} knows no evaluation of {task}{f' with {wanted}' if wanted else ''}; "
            "'kparity history import RUN' adds run folders"
        )
    return rows
