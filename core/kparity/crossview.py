"""What `kparity matrix` prints: verdicts, speedups, fractions of the limit, metrics and variation across devices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kparity.across import apart, timed_on, variation
from kparity.crossing import Cell, Column, Matrix, Ratio
from kparity.metrics import ColumnMetrics, Rate, column_metrics, pass_rates
from kparity.report import Sheet, escape, status_mark, table

if TYPE_CHECKING:
    from rich.console import RenderableType


def matrix_data(matrix: Matrix) -> dict[str, object]:
    """Everything that is computed from a matrix, for JSON and for other renderers."""
    return {
        "matrix": matrix,
        "metrics": column_metrics(matrix),
        "variation": variation(matrix),
        "pass_at_k": pass_rates(matrix),
    }


def matrix_view(matrix: Matrix) -> list[RenderableType]:
    """The parts of the console report, for `rich` to print."""
    numbers = {device: number for number, device in enumerate(dict.fromkeys(one.device for one in matrix.columns), 1)}
    parts: list[RenderableType] = [
        _devices(matrix, numbers),
        *_sheet("Verdicts: evaluations passed / run", matrix, matrix.cells, numbers, _verdict),
    ]
    if any(cell.emulated for cell in matrix.cells):
        parts.append("[dim]* emulated on that device: verified, never timed[/]\n")
    over = f"Speed over the baseline on the same hardware ({_baselines(matrix, numbers)}); dim: the interval holds 1"
    timed = [cell for cell in matrix.cells if cell.speedup is not None]
    parts.extend(_sheet(over, matrix, timed, numbers, _speed))
    parts.extend(_caution(matrix))
    limited = [cell for cell in matrix.cells if cell.fraction is not None]
    parts.extend(
        _sheet("Fraction of the limit that each device was measured to have", matrix, limited, numbers, _fraction)
    )
    parts.extend(_metrics(column_metrics(matrix), numbers))
    parts.extend(_variation(matrix))
    parts.extend(
        f"{one.label} on {_device(one.device, numbers)}: pass@{one.k} {one.value:.3f} over {one.tasks} tasks with at "
        f"least {one.candidates} candidates"
        for one in pass_rates(matrix)
    )
    parts.extend(f"[yellow]{escape(note)}[/]" for note in matrix.notes)
    return parts


def _devices(matrix: Matrix, numbers: dict[str, int]) -> RenderableType:
    """What stands behind the numbers of the columns."""
    grid = table("", "device", "pieces", "timed cases", "what times mean")
    for device, timed in timed_on(matrix).items():
        units = max(column.units for column in matrix.columns if column.device == device)
        grid.add_row(f"#{numbers[device]}", escape(device), str(units), timed.counted or "none", timed.meaning)
    return grid


def _caution(matrix: Matrix) -> list[RenderableType]:
    """That devices were timed on different cases, so that what differs along a row need not be the device."""
    found = apart(matrix)
    if not found:
        return []
    named = f"{', '.join(found[:3])}{' ...' if len(found) > 3 else ''}"
    return [
        f"[yellow]not every device was timed on the same cases of {escape(named)}: along these rows, speeds and "
        "fractions differ by the case too; --common keeps the cases that every device has[/]\n"
    ]


def _sheet(
    title: str, matrix: Matrix, cells: Sequence[Cell], numbers: dict[str, int], text: Callable[[Cell], str]
) -> list[Sheet]:
    """The table of these cells alone: empty rows and columns are left out; none of no cells."""
    if not cells:
        return []
    found = {(cell.task, cell.label, cell.device): cell for cell in cells}
    filled = {(cell.label, cell.device) for cell in cells}
    columns = [column for column in matrix.columns if (column.label, column.device) in filled]
    rows = []
    for task in dict.fromkeys(cell.task for cell in cells):
        row = [found.get((task, column.label, column.device)) for column in columns]
        rows.append([task, *(text(cell) if cell is not None else "" for cell in row)])
    return [Sheet(title, ["task"], [_heading(column, numbers) for column in columns], rows)]


def _verdict(cell: Cell) -> str:
    aside = f" [dim]-{cell.unsupported}[/]" if cell.unsupported else ""
    if not cell.ran:
        return aside.strip()
    mark, style = status_mark(cell.status)
    return f"[{style}]{mark} {cell.passed}/{cell.ran}[/]{'*' if cell.emulated else ''}{aside}"


def _speed(cell: Cell) -> str:
    one = cell.speedup
    assert one is not None
    style = "green" if one.low > 1 else "red" if one.high < 1 else "dim"
    return f"[{style}]{one.estimate:.2f}x[/]"


def _fraction(cell: Cell) -> str:
    return f"{cell.fraction:.0%}" if cell.fraction is not None else ""


def _metrics(found: Sequence[ColumnMetrics], numbers: dict[str, int]) -> list[RenderableType]:
    thresholds = list(dict.fromkeys(p for one in found for p in one.fast))
    headings = ["on", "compile", "correct", *(f"fast_{p}" for p in thresholds), "speed", "95 % interval"]
    rows = [
        [
            one.label,
            _device(one.device, numbers),
            _share(one.compiled),
            _share(one.correct),
            *(_share(one.fast[p]) if p in one.fast else "" for p in thresholds),
            f"{one.speedup.estimate:.2f}x" if one.speedup is not None else "",
            _limits(one.speedup) if one.speedup is not None else "",
        ]
        for one in found
    ]
    return [Sheet("Tasks that compile, are correct, are faster than p times the baseline", ["line-up"], headings, rows)]


def _variation(matrix: Matrix) -> list[RenderableType]:
    found = variation(matrix)
    if not found:
        return []
    rows = [[one.category, one.label, f"{one.factor:.2f}", str(one.devices), str(one.tasks)] for one in found]
    title = "How much speedups differ between devices (geometric standard deviation)"
    return [Sheet(title, ["category"], ["line-up", "factor", "devices", "tasks"], rows)]


def _heading(column: Column, numbers: dict[str, int]) -> str:
    head = column.label.replace(":", ":\n").replace("@", "\n@")
    return f"{head}\n{_device(column.device, numbers)}" if len(numbers) > 1 else head


def _device(device: str, numbers: dict[str, int]) -> str:
    return f"#{numbers[device]}"


def _baselines(matrix: Matrix, numbers: dict[str, int]) -> str:
    if len(set(matrix.baselines.values())) == 1:
        return ", ".join(next(iter(matrix.baselines.values())))
    named = (f"{', '.join(labels)} on {_device(device, numbers)}" for device, labels in matrix.baselines.items())
    return "; ".join(named)


def _share(rate: Rate) -> str:
    return f"{rate.share:.0%} of {rate.of}"


def _limits(ratio: Ratio) -> str:
    return f"{ratio.low:.3g} .. {ratio.high:.3g}" if math.isfinite(ratio.high) else "one task"
