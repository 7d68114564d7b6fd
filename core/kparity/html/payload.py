"""What the HTML report holds: every evaluation as plain data, texts that repeat named once, samples thinned out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kparity.across import timed_on
from kparity.crossing import Matrix, column_label
from kparity.exports import entries
from kparity.records import STATUSES, ULP_BINS, Accuracy, Evaluation, Measurement
from kparity.report import status_mark
from kparity.reporting import Combined
from kparity.rows import Row
from kparity.version import __version__

SAMPLES = 240
"""Samples of one measurement that the report shows at most, evenly spaced; a small report need not leave any out."""

SAMPLES_IN_ALL = 600_000
"""Samples in one report at most: with more evaluations, each shows fewer, but never fewer than `SAMPLES_AT_LEAST`."""

SAMPLES_AT_LEAST = 12


class Words:
    """Texts by number, in the order first seen."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """The number of a text."""
        return self._numbers.setdefault(text, len(self._numbers))

    def texts(self) -> list[str]:
        """Every text at its number's place."""
        return list(self._numbers)


def payload(combined: Combined) -> dict[str, Any]:
    """Everything that the page shows, but for the figures' looks.

    `evaluations` holds, for each one, the numbers of its task, column, case, role, dtype and status, its median time,
    the number of its matrix entry, and the number of its run; `details` what the drill-down shows, at the same place.
    """
    rows: list[Row] = []
    details: list[dict[str, Any]] = []
    for run, evaluation in combined:
        rows.append(Row.of(evaluation, combined.infos[run], run))
        details.append(_detail(evaluation))
    _thin(details)
    matrix = combined.matrix(rows)
    number = {(column.label, column.device): place for place, column in enumerate(matrix.columns)}
    found = entries(matrix)
    entry_number = {key: place for place, key in enumerate(found)}
    cases, dtypes, targets = Words(), Words(), Words()
    runs = {name: place for place, name in enumerate(combined.infos)}
    tasks = {task: place for place, task in enumerate(matrix.tasks)}
    roles = ("edge", "typical", "perf")
    evaluations = []
    for row, detail in zip(rows, details, strict=True):
        label = column_label(row)
        evaluations.append(
            [
                tasks[row.task],
                number[label, row.device],
                cases(row.case),
                roles.index(row.role),
                dtypes(row.dtype),
                STATUSES.index(row.status),
                row.median_s,
                entry_number[row.task, label, row.device, row.case],
                runs[row.run],
            ]
        )
        detail["target"] = targets(detail["target"])
    return {
        "kparity": __version__,
        "tasks": list(matrix.tasks),
        "columns": _columns(matrix, rows),
        "devices": [
            {
                "device": device,
                "units": max(column.units for column in matrix.columns if column.device == device),
                "timed": str(timed),
            }
            for device, timed in timed_on(matrix).items()
        ],
        "cases": cases.texts(),
        "roles": list(roles),
        "dtypes": dtypes.texts(),
        "statuses": [[status, status_mark(status)[0]] for status in STATUSES],
        "targets": targets.texts(),
        "bins": list(ULP_BINS),
        "entries": [
            [_ratio(one.speedup), one.against, one.fraction, one.bound, one.measurand or "", one.cache or ""]
            for one in found.values()
        ],
        "evaluations": evaluations,
        "details": details,
        "runs": [_run(name, combined) for name in combined.infos],
        "baselines": {device: list(labels) for device, labels in matrix.baselines.items()},
        "notes": list(matrix.notes),
    }


def thinned(samples: Sequence[float], most: int) -> list[float]:
    """At most that many of the samples, evenly spaced, in order, with four significant digits."""
    step = max(1, -(-len(samples) // most))
    return [float(f"{sample:.4g}") for sample in samples[::step]]


def _columns(matrix: Matrix, rows: Iterable[Row]) -> list[dict[str, Any]]:
    backends = {(column_label(row), row.device): row.backend for row in rows}
    return [
        {
            "label": one.label,
            "backend": backends[one.label, one.device],
            "device": one.device,
            "kind": one.kind,
            "units": one.units,
        }
        for one in matrix.columns
    ]


def _thin(details: Sequence[dict[str, Any]]) -> None:
    times = [time for detail in details for time in detail.get("times", ())]
    most = max(SAMPLES_AT_LEAST, min(SAMPLES, SAMPLES_IN_ALL // max(1, len(times))))
    for time in times:
        time["samples"] = thinned(time["samples"], most)


def _ratio(ratio: Any) -> list[float] | None:
    return None if ratio is None else [ratio.estimate, ratio.low, ratio.high]


def _detail(one: Evaluation) -> dict[str, Any]:
    """What the drill-down shows; what is empty is left out."""
    detail = {
        "message": one.verdict.message,
        "checks": [_check(check) for check in one.verdict.checks],
        "map": [str(check.details["map"]) for check in one.verdict.checks if check.details.get("map")],
        "times": [_time(time) for time in one.measurements],
        "accuracy": [_accuracy(accuracy) for accuracy in one.accuracy],
        "facts": [[name, text] for name, text in _facts(one) if text],
        "output": one.output,
    }
    return {**{name: value for name, value in detail.items() if value}, "target": _target(one)}


def _check(check: Any) -> list[Any]:
    details = {name: value for name, value in check.details.items() if name != "map"}
    return [check.name, check.status, check.message, details]


def _time(one: Measurement) -> dict[str, Any]:
    return {
        "measurand": one.measurand,
        "clock": one.clock,
        "cache": one.cache,
        "calls": one.calls_per_sample,
        "median": one.median_s,
        "interval": list(one.interval_s),
        "drift": one.drift,
        "bimodal": one.bimodal,
        "count": len(one.samples_s),
        "samples": one.samples_s,
    }


def _accuracy(one: Accuracy) -> list[Any]:
    return [one.output, one.relative_l2, one.worst_ulps, list(one.ulps), one.compared]


def _target(one: Evaluation) -> str:
    if one.implementation.source_digest:
        return f"candidate, source digest {one.implementation.source_digest}"
    return one.implementation.target


def _facts(one: Evaluation) -> Iterable[tuple[str, str]]:
    yield "arrays", one.case.describe()
    yield "operations", "" if one.case.flops is None else f"{one.case.flops:,}"
    yield "bytes", f"{one.case.bytes:,}"
    if one.roofline is not None:
        yield "share of the limit", f"{one.roofline.fraction:.1%}, bound by {one.roofline.bound}"
    yield "hunting pattern", one.case.pattern
    yield "emulated", "yes: verified, never timed" if one.emulated else ""
    yield "no device time", one.withheld
    yield "determinism", (one.determinism or "").replace("_", " ")
    if one.detection is not None:
        yield "assurance", one.detection.level
        yield "detectors in force", ", ".join(one.detection.in_force)
    yield "compiled in", "" if one.compile_s is None else f"{one.compile_s:.3g} s"
    yield "first call", "" if one.first_call_s is None else f"{one.first_call_s:.3g} s"
    launched = (f"{launch.name} ({launch.calls:g} a call, {launch.share:.0%})" for launch in one.launches)
    yield "kernels launched", "; ".join(launched)
    if one.conditions is not None:
        yield "throttled", ", ".join(one.conditions.throttled)
        for name, value in one.conditions.after.items():
            yield f"{name.replace('_', ' ')}, after", f"{value:g}"
    yield "seed", str(one.seed)
    yield "inputs digest", one.inputs_digest
    yield "isolation", one.isolation
    yield "evaluated at", one.started_at


def _run(name: str, combined: Combined) -> dict[str, Any]:
    info = combined.infos[name]
    return {
        "name": name,
        "id": info.id,
        "started": info.started_at,
        "seed": info.seed,
        "kparity": info.kparity,
        "host": f"{info.host.cpu}, {info.host.cores} cores, Python {info.host.python}, {info.host.system}",
        "devices": [
            [one.backend, one.label, ", ".join(f"{name} {version}" for name, version in one.versions.items())]
            for one in info.devices
        ],
        "unavailable": dict(info.unavailable),
        "sources": {
            name: state.commit[:12] + (" (modified)" if state.dirty else "") for name, state in info.sources.items()
        },
    }
