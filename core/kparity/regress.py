"""Has anything become wrong or slow: two recorded runs, evaluation by evaluation."""

from __future__ import annotations

import functools
from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from kparity.crossing import Ratio
from kparity.errors import NothingEvaluatedError
from kparity.ratios import compare_series, series_confidence
from kparity.records import CacheState, Evaluation, Measurand, Status
from kparity.roofline import primary_time
from kparity.rows import Row
from kparity.stats import CONFIDENCE, corrected
from kparity.store import RunReader

DRIFT = 0.05
"""Relative difference of two runs' times that is put down to the machine. Device times of 175 perf cases on two H100s
differed by 1.1 % or less in 95 % of the cases and by 3 % at most: `python benchmarks/drift.py`."""

Finding = Literal["regressed", "improved", "unchanged", "inconclusive", "missing", "new"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation of both runs.

    Attributes:
        task, case, label, device: which.
        finding: what became of it.
        before, after: status in either run; None where it does not stand there.
        ratio: time after over time before; None where they were not compared.
        confidence: of the limits of that ratio alone, before they were widened; 0 where there is none.
        before_s, after_s: the medians in seconds.
        measurand: of both times.
        message: why, in one sentence.
    """

    task: str
    case: str
    label: str
    device: str
    finding: Finding
    before: Status | None
    after: Status | None
    ratio: Ratio | None = None
    confidence: float = 0.0
    before_s: float | None = None
    after_s: float | None = None
    measurand: Measurand | None = None
    message: str = ""


class Regression(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs compared.

    Attributes:
        changes: one for each evaluation of either run, regressions first.
        compared: pairs of times.
        confidence: of all intervals together.
        drift: the allowance in force.
        notes: what limits the comparison.
    """

    changes: tuple[Change, ...]
    compared: int
    confidence: float
    drift: float
    notes: tuple[str, ...] = ()

    @property
    def regressed(self) -> bool:
        """Whether anything did."""
        return any(change.finding == "regressed" for change in self.changes)

    def counts(self) -> dict[Finding, int]:
        """How many evaluations there are of each finding."""
        found = Counter(change.finding for change in self.changes)
        return {finding: found[finding] for finding in _ORDER}


_ORDER: tuple[Finding, ...] = ("regressed", "missing", "inconclusive", "improved", "unchanged", "new")
_Key = tuple[str, str, str, str]


class _Seen(NamedTuple):
    status: Status
    message: str
    unit: str
    measurand: Measurand | None
    cache: CacheState | None
    resolution_s: float
    samples: array[float]
    median_s: float


def regress(
    after: Iterable[tuple[RunReader, Evaluation]],
    before: Iterable[tuple[RunReader, Evaluation]],
    *,
    drift: float = DRIFT,
    confidence: float = CONFIDENCE,
) -> Regression:
    """Compare two recorded runs, or two lists of them.

    Evaluations are matched by task, case, line-up and device. A verdict regresses where it was `passed` and is not any
    more. A time regresses where the interval of its ratio lies above 1: the series are unpaired, so the interval is
    that of `stats.compare_series`, widened by `drift`, at a confidence that is corrected for the number of comparisons
    so far as there are samples enough.

    Args:
        after, before: what is checked, and what it is held against.
        drift: relative difference that is put down to the machine.
        confidence: of all intervals together.

    Raises:
        NothingEvaluatedError: the two have no evaluation in common.
    """
    new, old = _collect(after), _collect(before)
    common = [key for key in new if key in old]
    if not common:
        raise NothingEvaluatedError(
            "nothing to compare: the runs have no task, case, line-up and device in common; see 'kparity matrix'"
        )
    timed = [key for key in common if _comparable(old[key], new[key])]
    each = corrected(confidence, len(timed))
    changes = [_change(key, old.get(key), new.get(key), drift, each) for key in {**old, **new}]
    moved = sum(old[key].unit != new[key].unit for key in timed)
    notes = []
    if moved:
        notes.append(f"{moved} times were taken on another piece of hardware of the same name")
    few = [one.confidence for one in changes if one.ratio is not None and one.confidence < each]
    if few:
        notes.append(
            f"{len(few)} pairs have too few samples for {each:.5g} each: there the limits are the extremes of all "
            f"samples, which have a confidence of {min(few):.5g} or more"
        )
    unlike = sum(bool(old[key].samples and new[key].samples) for key in common) - len(timed)
    if unlike:
        notes.append(f"{unlike} times were not compared: another measurand, or another state of the cache")
    return Regression(
        changes=tuple(sorted(changes, key=lambda one: (_ORDER.index(one.finding), one.task, one.label, one.case))),
        compared=len(timed),
        confidence=confidence,
        drift=drift,
        notes=tuple(notes),
    )


def _collect(evaluations: Iterable[tuple[RunReader, Evaluation]]) -> dict[_Key, _Seen]:
    """The newest evaluation of each kind, with its samples as an array: a small part of what a record holds."""
    found: dict[_Key, tuple[str, _Seen]] = {}
    for reader, one in evaluations:
        row = Row.of_run(reader, one)
        key = (row.task, row.case, row.label, row.device)
        if key in found and found[key][0] > one.started_at:
            continue
        time = primary_time(one)
        found[key] = (
            one.started_at,
            _Seen(
                status=one.status,
                message=one.verdict.message,
                unit=row.unit,
                measurand=row.measurand,
                cache=row.cache,
                resolution_s=time.resolution_s if time is not None else 0.0,
                samples=array("d", time.samples_s if time is not None else ()),
                median_s=time.median_s if time is not None else 0.0,
            ),
        )
    return {key: seen for key, (_, seen) in found.items()}


def _comparable(old: _Seen, new: _Seen) -> bool:
    return bool(old.samples and new.samples) and (old.measurand, old.cache) == (new.measurand, new.cache)


def _change(key: _Key, old: _Seen | None, new: _Seen | None, drift: float, confidence: float) -> Change:
    task, case, label, device = key

    change = functools.partial(
        Change,
        task=task,
        case=case,
        label=label,
        device=device,
        before=old.status if old is not None else None,
        after=new.status if new is not None else None,
    )
    if old is None:
        return change(finding="new")
    if new is None:
        return change(finding="missing", message="evaluated before, not any more")
    if old.status == "passed" != new.status:
        finding: Finding = "inconclusive" if new.status == "inconclusive" else "regressed"
        return change(finding=finding, message=f"was passed, is {new.status}: {new.message}")
    if new.status == "passed" != old.status:
        return change(finding="improved", message=f"was {old.status}, is passed")
    if not _comparable(old, new):
        return change(finding="unchanged")
    result = compare_series(
        new.samples,
        old.samples,
        drift=drift,
        resolution_s=max(new.resolution_s, old.resolution_s),
        confidence=confidence,
    )
    outcomes: dict[str, Finding] = {"slower": "regressed", "faster": "improved", "equivalent": "unchanged"}
    ratio = Ratio(*result.ratio)
    return change(
        finding=outcomes.get(result.outcome, "inconclusive"),
        message=f"takes {ratio.estimate:.3f} times as long ({ratio.low:.3f} .. {ratio.high:.3f})",
        ratio=ratio,
        confidence=min(confidence, series_confidence(len(new.samples), len(old.samples))),
        before_s=old.median_s,
        after_s=new.median_s,
        measurand=new.measurand,
    )
