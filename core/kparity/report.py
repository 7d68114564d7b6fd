"""Reports: records in, text out. Reads records only; nothing is evaluated here."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec

from kparity.assurance import NOT_APPLIED
from kparity.environment import RunInfo
from kparity.records import Evaluation, Measurand, Status
from kparity.rows import Row

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
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
_TIMES: dict[Measurand, str] = {
    "device": "Time on the device for one call (the device's own clock, median)",
    "end_to_end": "End-to-end time of one call (host clock, median)",
}


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
        console = Console(file=text, width=160, no_color=True, emoji=False)
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


def summary(evaluations: Iterable[Evaluation | Row]) -> dict[str, int]:
    """How many evaluations ended with each status."""
    counts = Counter(evaluation.status for evaluation in evaluations)
    return {status: counts[status] for status in _MARKS}


def matrix(info: RunInfo, evaluations: Iterable[Evaluation]) -> list[RenderableType]:
    """The parts of the console report, for `rich` to print. The evaluations may be a stream: each is read once."""
    return matrix_of_rows(info, [Row.of(one, info) for one in evaluations])


def matrix_of_rows(info: RunInfo, rows: Sequence[Row]) -> list[RenderableType]:
    """`matrix`, from rows."""
    parts: list[RenderableType] = [_verdicts(rows), *_legend(rows)]
    parts.extend(
        _times(rows, measurand) for measurand in _TIMES if any(one.time_of(measurand) is not None for one in rows)
    )
    parts.append(_devices(info))
    parts.extend(_problems(rows))
    counts = summary(rows)
    parts.append(", ".join(f"{count} {status}" for status, count in counts.items() if count) or "nothing evaluated")
    return parts


def assured(evaluations: Iterable[Evaluation]) -> list[RenderableType]:
    """One line about how sure the verdicts on a candidate are, or none where it was not watched."""
    found = [one.detection for one in evaluations if one.detection is not None]
    if not found:
        return []
    level = min((one.level for one in found), key=("low", "medium", "high").index)
    why = {name: reason for one in found for name, reason in one.lacking.items() if reason != NOT_APPLIED}
    lacking = "".join(f"; no {name}: {escape(reason)}" for name, reason in why.items())
    return [f"assurance: [bold]{level}[/]{lacking}"]


def format_seconds(seconds: float) -> str:
    """Three significant digits with a unit: `1.23 ms`."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{_three(seconds / scale)} {unit}"
    return f"{_three(seconds / 1e-9)} ns"


def _three(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _verdicts(rows: Sequence[Row]) -> Sheet:
    labels = _labels(rows)
    interpreted = {one.label for one in rows if one.emulated}
    cells: dict[tuple[str, str], Counter[Status]] = defaultdict(Counter)
    for one in rows:
        cells[one.task, one.label][one.status] += 1
    table_rows = [
        [task, *(_cell(cells[task, label]) if (task, label) in cells else "" for label in labels)]
        for task in sorted({task for task, _ in cells})
    ]
    marked = [_heading(label) + ("*" if label in interpreted else "") for label in labels]
    return Sheet("Verdicts: cases passed / cases run", ["task"], marked, table_rows)


def _legend(rows: Sequence[Row]) -> list[str]:
    notes = []
    if any(one.emulated for one in rows):
        notes.append("[dim]* emulated on this machine: verified, never timed[/]")
    if any(one.status == "unsupported" for one in rows):
        notes.append("[dim]-n: cases that the device does not support, not run; the reasons are listed below[/]")
    return [*notes, ""] if notes else []


def _cell(counts: Counter[Status]) -> str:
    ran = counts.total() - counts["unsupported"]
    aside = f" [dim]-{counts['unsupported']}[/]" if counts["unsupported"] else ""
    if not ran:
        return aside.strip()
    worst: Status = next((status for status in _BAD if counts[status]), "passed")
    mark, style = _MARKS[worst]
    return f"[{style}]{mark} {counts['passed']}/{ran}[/]{aside}"


def _times(rows: Sequence[Row], measurand: Measurand) -> Sheet:
    """One row for each task: its largest timed case in its first dtype; the fastest of a device is bold."""
    by_task: dict[str, list[tuple[Row, float]]] = defaultdict(list)
    for one in rows:
        seconds = one.time_of(measurand)
        if seconds is not None:
            by_task[one.task].append((one, seconds))
    labels = _labels([one for timed in by_task.values() for one, _ in timed])
    table_rows = []
    for task, timed in sorted(by_task.items()):
        shown = max(timed, key=lambda item: (item[0].role == "perf", item[0].elements))[0]
        cells = {one.label: (one, seconds) for one, seconds in timed if one.case == shown.case}
        times: dict[str, list[float]] = defaultdict(list)
        for one, seconds in cells.values():
            times[one.unit].append(seconds)
        row = []
        for label in labels:
            if label not in cells:
                row.append("")
                continue
            one, seconds = cells[label]
            best = len(times[one.unit]) > 1 and seconds == min(times[one.unit])
            row.append(f"[bold]{format_seconds(seconds)}[/]" if best else format_seconds(seconds))
        table_rows.append([task, f"[dim]{shown.role} {shown.dtype}[/]", *row])
    title = f"{_TIMES[measurand]}; the fastest of a device is bold"
    return Sheet(title, ["task", "case"], list(map(_heading, labels)), table_rows)


def _devices(info: RunInfo) -> Table:
    """Backends beside their devices and what these want known; long notes wrap under themselves."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    alike = Counter((one.backend, one.label, one.kind, one.notes) for one in info.devices)  # a cluster has several
    for (backend, label, kind, notes), count in alike.items():
        several = f"{count} x " if count > 1 else ""
        grid.add_row(f"[bold]{backend}[/]", several + escape(label) + ("" if kind == "gpu" else f" ({kind})"))
        for note in notes:
            grid.add_row("", f"[dim]{escape(note)}[/]")
    for name, why in info.unavailable.items():
        grid.add_row(f"[bold]{name}[/]", f"[yellow]not available:[/] {escape(why)}")
    grid.add_row("kparity", f"{info.kparity}, seed {info.seed}, {escape(info.host.cpu)}, {info.host.cores} cores")
    return grid


def _problems(rows: Sequence[Row]) -> list[RenderableType]:
    from rich.padding import Padding

    lines: list[RenderableType] = [""]
    wrong = sorted((one for one in rows if one.status in _BAD), key=lambda one: (one.task, one.label))
    for one in wrong[:_SHOWN_FAILURES]:
        mark, style = _MARKS[one.status]
        lines.append(f"[{style}]{mark} {one.status}[/]  {one.label}  {one.task}  [dim]{one.case}[/]")
        texts = (text for text in (one.message, one.map, one.output) if text)
        lines.extend(Padding(escape(text), (0, 0, 0, 4), expand=False) for text in texts)
    if len(wrong) > _SHOWN_FAILURES:
        lines.append(f"... and {len(wrong) - _SHOWN_FAILURES} more; --json or --out lists all")
    reasons = Counter((one.label, one.message) for one in rows if one.status == "unsupported")
    lines.extend(f"[dim]- {count} x {label}: {escape(reason)}[/]" for (label, reason), count in reasons.items())
    return lines


def status_mark(status: Status) -> tuple[str, str]:
    """The sign of a status and its colour."""
    return _MARKS[status]


class Sheet:
    """A table that is cut into several, one below the other, where the console is too narrow for all of its columns.

    Args:
        title: stands above the first part.
        leading: headings of the columns that every part begins with.
        headings: of the other columns; rows hold the cells of both.
    """

    def __init__(
        self, title: str, leading: Sequence[str], headings: Sequence[str], rows: Sequence[Sequence[str]]
    ) -> None:
        self._title = title
        self._leading = leading
        self._headings = headings
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As many columns in each part as the console is wide."""
        yield f"[bold]{self._title}[/]"
        first = 0
        while first < len(self._headings):
            last = len(self._headings)
            while last > first + 1 and self._width(console, options, first, last) > options.max_width:
                last -= 1
            yield self._part(first, last)
            first = last

    def _width(self, console: Console, options: ConsoleOptions, first: int, last: int) -> int:
        return console.measure(self._part(first, last), options=options.update(max_width=1 << 16)).maximum

    def _part(self, first: int, last: int) -> Table:
        grid = table(*self._leading)
        for heading in self._headings[first:last]:
            grid.add_column(heading, justify="right", no_wrap=True)
        for column in grid.columns:
            column.vertical = "bottom"  # headings of one line stand on the line below
        before = len(self._leading)
        for row in self._rows:
            grid.add_row(*row[:before], *row[before + first : before + last])
        return grid


def _heading(label: str) -> str:
    """`backend:name` on two lines, so that the column is no wider than its cells need."""
    return label.replace(":", ":\n")


def table(first: str, *others: str) -> Table:
    """A plain table with these column headings; the first column never wraps."""
    from rich import box
    from rich.table import Table

    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    grid.add_column(first, no_wrap=True)
    for heading in others:
        grid.add_column(heading)
    return grid


def json_text(value: object) -> str:
    """Indented JSON of records, structs and plain data."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _labels(rows: Iterable[Row]) -> list[str]:
    return sorted({one.label for one in rows})


def escape(text: str) -> str:
    """Text that `rich` prints as it stands, brackets included."""
    from rich.markup import escape as escaped

    return escaped(text)
