"""Reports: records in, text out. Reads records only; nothing is evaluated here."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec

from kparity.records import Evaluation, RunInfo, Status

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_MARKS: dict[Status, tuple[str, str]] = {
    "passed": ("✓", "green"),
    "failed": ("✗", "red"),
    "error": ("!", "red"),
    "unsupported": ("-", "dim"),
    "inconclusive": ("?", "yellow"),
}
_BAD: tuple[Status, ...] = ("error", "failed", "inconclusive")
_SHOWN_FAILURES = 20


class Reporter(ABC):
    """A named renderer; plugins add theirs through `register_reporters`."""

    name: ClassVar[str]

    @abstractmethod
    def render(self, info: RunInfo, evaluations: Sequence[Evaluation]) -> str:
        """The whole report as text."""


class MatrixReporter(Reporter):
    """Tasks by implementations, then the times, then what went wrong: the console's report as plain text."""

    name = "matrix"

    def render(self, info: RunInfo, evaluations: Sequence[Evaluation]) -> str:
        from rich.console import Console

        text = io.StringIO()
        console = Console(file=text, width=160, no_color=True)
        for part in matrix(info, evaluations):
            console.print(part)
        return text.getvalue()


class JsonReporter(Reporter):
    """The run and its evaluations as one JSON document."""

    name = "json"

    def render(self, info: RunInfo, evaluations: Sequence[Evaluation]) -> str:
        document = {"run": info, "summary": summary(evaluations), "evaluations": list(evaluations)}
        return json_text(document)


BUILTIN: tuple[Reporter, ...] = (MatrixReporter(), JsonReporter())


def summary(evaluations: Iterable[Evaluation]) -> dict[str, int]:
    """How many evaluations ended with each status."""
    counts = Counter(evaluation.status for evaluation in evaluations)
    return {status: counts[status] for status in _MARKS}


def matrix(info: RunInfo, evaluations: Sequence[Evaluation]) -> list[RenderableType]:
    """The parts of the console report, for `rich` to print."""
    parts: list[RenderableType] = [_verdicts(evaluations), _legend(evaluations)]
    timed = [one for one in evaluations if one.measurements]
    if timed:
        parts.append(_times(timed))
    parts.extend(_devices(info, evaluations))
    parts.extend(_problems(evaluations))
    counts = summary(evaluations)
    parts.append(", ".join(f"{count} {status}" for status, count in counts.items() if count) or "nothing evaluated")
    return parts


def format_seconds(seconds: float) -> str:
    """Three significant digits with a unit: `1.23 ms`."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{_three(seconds / scale)} {unit}"
    return f"{_three(seconds / 1e-9)} ns"


def _three(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _verdicts(evaluations: Sequence[Evaluation]) -> Table:
    labels = _labels(evaluations)
    interpreted = {one.implementation.label for one in evaluations if one.emulated}
    grid = table("Verdicts: cases passed / run", "task")
    for label in labels:
        grid.add_column(label + ("*" if label in interpreted else ""), justify="right", no_wrap=True)
    for task in dict.fromkeys(one.task for one in sorted(evaluations, key=lambda one: one.task)):
        row = [
            _cell([one for one in evaluations if one.task == task and one.implementation.label == label])
            for label in labels
        ]
        grid.add_row(task, *row)
    return grid


def _legend(evaluations: Sequence[Evaluation]) -> str:
    notes = []
    if any(one.emulated for one in evaluations):
        notes.append("* emulated on this machine: verified, never timed")
    if any(one.status == "unsupported" for one in evaluations):
        notes.append("-n: cases that the device does not support, not run")
    return f"[dim]{'; '.join(notes)}[/]" if notes else ""


def _cell(evaluations: Sequence[Evaluation]) -> str:
    if not evaluations:
        return ""
    counts = Counter(one.status for one in evaluations)
    ran = len(evaluations) - counts["unsupported"]
    aside = f" [dim]-{counts['unsupported']}[/]" if counts["unsupported"] else ""
    if not ran:
        return aside.strip()
    worst: Status = next((status for status in _BAD if counts[status]), "passed")
    mark, style = _MARKS[worst]
    return f"[{style}]{mark} {counts['passed']}/{ran}[/]{aside}"


def _times(evaluations: Sequence[Evaluation]) -> Table:
    """One row for each task: its largest timed case in its first dtype; the fastest of a device is bold."""
    labels = _labels(evaluations)
    grid = table("End-to-end time of one call: median on the host clock after synchronisation", "task")
    for label in labels:
        grid.add_column(label, justify="right", no_wrap=True)
    for task in dict.fromkeys(one.task for one in sorted(evaluations, key=lambda one: one.task)):
        of_task = [one for one in evaluations if one.task == task]
        case = max(of_task, key=lambda one: (one.case.role == "perf", one.case.elements)).case
        cells = {one.implementation.label: one for one in of_task if one.case.key == case.key}
        best: dict[object, float] = {}
        for one in cells.values():
            best[one.device] = min(best.get(one.device, float("inf")), one.measurements[0].median_s)
        row = []
        for label in labels:
            found = cells.get(label)
            if found is None:
                row.append("")
                continue
            seconds = found.measurements[0].median_s
            alone = sum(other.device == found.device for other in cells.values()) == 1
            text = format_seconds(seconds)
            row.append(f"[bold]{text}[/]" if seconds == best[found.device] and not alone else text)
        grid.add_row(f"{task} [dim]{case.role} {' '.join(case.dtypes.values())}[/]", *row)
    return grid


def _devices(info: RunInfo, evaluations: Sequence[Evaluation]) -> list[str]:
    lines = []
    for device in info.devices:
        kind = "" if device.kind == "gpu" else f" ({device.kind})"
        lines.append(
            f"[bold]{device.backend}[/]  {device.label}{kind}" + "".join(f"\n  {note}" for note in device.notes)
        )
    lines.extend(f"[bold]{name}[/]  [yellow]not available:[/] {escape(why)}" for name, why in info.unavailable.items())
    lines.append(f"[dim]kparity {info.kparity}, seed {info.seed}, {info.host.cpu}, {info.host.cores} cores[/]")
    return lines


def _problems(evaluations: Sequence[Evaluation]) -> list[str]:
    lines = []
    wrong = [one for one in evaluations if one.status in _BAD]
    for one in wrong[:_SHOWN_FAILURES]:
        mark, style = _MARKS[one.status]
        head = f"[{style}]{mark} {one.status}[/]  {one.implementation.label}  {one.task}  [dim]{one.case.key}[/]"
        lines.append(f"{head}\n    {escape(one.verdict.message)}")
        if one.output:
            lines.append("    " + escape(one.output[-800:]).replace("\n", "\n    "))
    if len(wrong) > _SHOWN_FAILURES:
        lines.append(f"... and {len(wrong) - _SHOWN_FAILURES} more; --json or --out lists all")
    reasons = Counter(
        (one.implementation.label, one.verdict.message) for one in evaluations if one.status == "unsupported"
    )
    lines.extend(f"[dim]- {count} x {label}: {escape(reason)}[/]" for (label, reason), count in reasons.items())
    return lines


def table(title: str, first: str, *others: str) -> Table:
    """A plain table with these column headings; the first column never wraps."""
    from rich import box
    from rich.table import Table

    grid = Table(title=title, title_justify="left", caption_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column(first, no_wrap=True)
    for heading in others:
        grid.add_column(heading)
    return grid


def json_text(value: object) -> str:
    """Indented JSON of records, structs and plain data."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _labels(evaluations: Sequence[Evaluation]) -> list[str]:
    return sorted({one.implementation.label for one in evaluations})


def escape(text: str) -> str:
    """Text that `rich` prints as it stands, brackets included."""
    from rich.markup import escape as escaped

    return escaped(text)
