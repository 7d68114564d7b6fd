"""Runs as files for other programs: CSV and Parquet with a row for each evaluation, markdown with the matrix."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import msgspec

from kparity.crossing import Cell, Column, Entry, Matrix, column_label
from kparity.records import Status
from kparity.report import status_mark
from kparity.reporting import Combined, CombiningReporter, needed
from kparity.rows import Row

_SPEED = ("speedup", "speedup_low", "speedup_high", "against")
_FIELDS = tuple(field.name for field in msgspec.structs.fields(Row))
COLUMNS = (*_FIELDS, *_SPEED)
"""Column names of CSV and Parquet: the fields of `Row`, then the speedup of its case over the baseline with its 95 %
limits; times are in seconds. Empty, or null, where there is none."""


def entries(matrix: Matrix) -> dict[tuple[str, str, str, str], Entry]:
    """The matrix case by case, by (task, column's label, device, case)."""
    return {(cell.task, cell.label, cell.device, entry.case): entry for cell in matrix.cells for entry in cell.entries}


def records(combined: Combined) -> Iterator[tuple[Any, ...]]:
    """A tuple of `COLUMNS` for each evaluation."""
    rows = combined.rows()
    found = entries(combined.matrix(rows))
    for row in rows:
        entry = found[row.task, column_label(row), row.device, row.case]
        speed = entry.speedup
        limits = (speed.estimate, speed.low, speed.high) if speed is not None and row.median_s is not None else None
        yield (*msgspec.structs.astuple(row), *((*limits, entry.against) if limits else (None, None, None, "")))


class CsvReporter(CombiningReporter):
    """A line for each evaluation, after a line of column names.

    Text that a spreadsheet would take for a formula has an apostrophe in front: what a candidate printed is not
    trusted.
    """

    name = "csv"
    suffix = ".csv"

    def combine(self, combined: Combined) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([_plain(value) for value in record] for record in records(combined))
        return text.getvalue().encode()


class ParquetReporter(CombiningReporter):
    """The columns of CSV with their types."""

    name = "parquet"
    suffix = ".parquet"
    binary: ClassVar[bool] = True

    def combine(self, combined: Combined) -> bytes:
        pa, parquet = needed("pyarrow", "parquet"), needed("pyarrow.parquet", "parquet")
        kinds = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_()}
        types = [kinds.get(_kind(name), pa.string()) for name in COLUMNS]
        columns = list(zip(*records(combined), strict=True)) or [()] * len(COLUMNS)
        table = pa.table(
            [pa.array(values, type_) for values, type_ in zip(columns, types, strict=True)], names=list(COLUMNS)
        )
        sink = io.BytesIO()
        parquet.write_table(table, sink)
        return sink.getvalue()


class MarkdownReporter(CombiningReporter):
    """The matrix as tables: verdicts, speed over the baseline, fraction of the limit."""

    name = "markdown"
    suffix = ".md"

    def combine(self, combined: Combined) -> bytes:
        matrix = combined.matrix()
        parts = [
            _table("Evaluations passed / run", matrix, _verdict),
            _table("Speed over the baseline on the same hardware", matrix, _speed),
            _table("Fraction of the limit that each device was measured to have", matrix, _fraction),
        ]
        notes = [f"* {_cell_text(note)}" for note in matrix.notes]
        return ("\n\n".join([*filter(None, parts), *(["\n".join(notes)] if notes else [])]) + "\n").encode()


def _kind(name: str) -> str:
    if name in _SPEED:
        return "str" if name == "against" else "float"
    return str(Row.__annotations__[name]).partition(" ")[0]


def _plain(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _table(title: str, matrix: Matrix, text: Callable[[Cell], str]) -> str:
    """Tasks by columns; empty where no cell has a text, and without columns and rows that have none."""
    filled = {(cell.task, cell.label, cell.device): shown for cell in matrix.cells if (shown := text(cell))}
    columns = [one for one in matrix.columns if any(key[1:] == (one.label, one.device) for key in filled)]
    if not filled:
        return ""
    lines = [
        "| task | " + " | ".join(_cell_text(_heading(one)) for one in columns) + " |",
        "| --- |" + " ---: |" * len(columns),
    ]
    for task in dict.fromkeys(key[0] for key in filled):
        cells = (filled.get((task, one.label, one.device), "") for one in columns)
        lines.append(f"| {_cell_text(task)} | " + " | ".join(cells) + " |")
    return f"### {title}\n\n" + "\n".join(lines)


def _heading(column: Column) -> str:
    return f"{column.label}, {column.device}"


def _cell_text(text: str) -> str:
    for sign in "\\|`*_[]<>":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign])
    return " ".join(text.split())


def _verdict(cell: Cell) -> str:
    if not cell.ran:
        return ""
    status: Status = cell.status
    return f"{status_mark(status)[0]} {cell.passed}/{cell.ran}"


def _speed(cell: Cell) -> str:
    one = cell.speedup
    return f"{one.estimate:.2f}x ({one.low:.2f} to {one.high:.2f})" if one is not None else ""


def _fraction(cell: Cell) -> str:
    return f"{cell.fraction:.0%}" if cell.fraction is not None else ""
