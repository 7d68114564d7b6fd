"""Where in an output the errors lie: in words, and as a small picture for a terminal."""

from __future__ import annotations

import math

import numpy as np

HEIGHT, WIDTH = 8, 32
"""Largest picture, in characters."""

_SHADES = "·░▒▓█"
_WHOLE = 0.9
"""Share of a row, a column or a tile that must be wrong for it to be called wrong."""


def describe(wrong: np.ndarray) -> str:
    """In words where the wrong elements lie: everywhere, the tail, a row, some columns, a tile, or scattered.

    Args:
        wrong: True where an element is wrong. Leading dimensions count as rows, the last one as columns.
    """
    count, size = int(np.count_nonzero(wrong)), wrong.size
    if count == 0:
        return "nowhere"
    if count == size:
        return "everywhere"
    if count == 1:
        return "a single element"
    flat, grid = wrong.reshape(-1), _rows(wrong)
    first, last = int(np.argmax(flat)), size - 1 - int(np.argmax(flat[::-1]))
    if grid.shape[0] == 1:
        return _line(flat, first, last, "elements")
    by_row, by_column = grid.mean(axis=1), grid.mean(axis=0)
    rows, columns = np.flatnonzero(by_row), np.flatnonzero(by_column)
    whole_rows = by_row[rows].min() >= _WHOLE
    whole_columns = by_column[columns].min() >= _WHOLE
    if whole_rows and len(rows) < grid.shape[0]:
        return _line(by_row > 0, int(rows[0]), int(rows[-1]), "rows")
    if whole_columns and len(columns) < grid.shape[1]:
        return _line(by_column > 0, int(columns[0]), int(columns[-1]), "columns") + " of every row"
    if count >= _WHOLE * size:
        return f"almost everywhere: {count:,} of {size:,} elements"
    if last == size - 1 and count >= _WHOLE * (size - first):
        return f"the tail: the last {size - first:,} of {size:,} elements"
    height, width = int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)
    if count >= 0.5 * height * width and 2 * height * width <= size:
        return f"one tile: rows {rows[0]:,} to {rows[-1]:,}, columns {columns[0]:,} to {columns[-1]:,}"
    if len(rows) == 1:
        return f"row {rows[0]:,}: {count:,} of its {grid.shape[1]:,} elements"
    if len(columns) == 1:
        return f"column {columns[0]:,}: {count:,} of its {grid.shape[0]:,} elements"
    return f"scattered over {len(rows):,} of {grid.shape[0]:,} rows and {len(columns):,} of {grid.shape[1]:,} columns"


def picture(wrong: np.ndarray) -> str:
    """A map of at most 8 x 32 characters, from `·` (nothing is wrong there) over three shades to `█` (everything is).

    Rows are rows of the array, columns its last dimension; a vector is laid out in lines, in memory order.
    """
    if wrong.size == 0:
        return ""
    grid = _rows(wrong)
    if grid.shape[0] == 1 and grid.shape[1] > WIDTH:
        cells = min(HEIGHT * WIDTH, grid.shape[1])
        shares = _shares(grid.reshape(-1), cells, axis=0)
        shares = np.concatenate([shares, np.full(-cells % WIDTH, np.nan)]).reshape(-1, WIDTH)
    else:
        shares = _shares(_shares(grid, min(HEIGHT, grid.shape[0]), axis=0), min(WIDTH, grid.shape[1]), axis=1)
    return "\n".join("".join(map(_shade, line)) for line in shares)


def _shade(share: float) -> str:
    if math.isnan(share):
        return " "
    return _SHADES[-1] if share >= 1 else _SHADES[math.ceil(share * (len(_SHADES) - 2))]


def _shares(values: np.ndarray, cells: int, axis: int) -> np.ndarray:
    """Means over `cells` stretches of about the same length."""
    edges = np.linspace(0, values.shape[axis], cells + 1).astype(np.int64)
    sums = np.add.reduceat(values.astype(np.float64), edges[:-1], axis=axis)
    lengths = np.diff(edges)
    return np.asarray(sums / (lengths[:, None] if axis == 0 and values.ndim == 2 else lengths))


def _rows(wrong: np.ndarray) -> np.ndarray:
    return wrong.reshape(-1, wrong.shape[-1]) if wrong.ndim > 1 else wrong.reshape(1, -1)


def _line(wrong: np.ndarray, first: int, last: int, what: str) -> str:
    """Which of a line of elements, rows or columns are wrong."""
    size, count = wrong.size, int(np.count_nonzero(wrong))
    if count == 1:
        return f"one {what.removesuffix('s')}: {first:,} of {size:,}"
    span = last - first + 1
    if count >= _WHOLE * span:
        if span >= _WHOLE * size:
            return f"almost everywhere: {count:,} of {size:,} {what}"
        if last == size - 1:
            return f"the tail: the last {span:,} of {size:,} {what}"
        return f"{'the head' if first == 0 else 'one stretch'}: {what} {first:,} to {last:,} of {size:,}"
    steps = np.unique(np.diff(np.flatnonzero(wrong)))
    if len(steps) == 1 and count > 2:
        return f"one in {steps[0]} {what}, evenly spaced, from {first:,} to {last:,} of {size:,}"
    return f"scattered over {what} {first:,} to {last:,} of {size:,}"
