"""How threads are laid over the data: the choices that several kernels share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

BLOCK = 256


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def vector(itemsize: int, extent: int) -> int:
    """Elements in a 16-byte access where rows of `extent` elements all start on 16 bytes, else 1."""
    wide = 16 // itemsize
    return wide if extent % wide == 0 else 1


@dataclass(frozen=True)
class Rows:
    """A grid that gives every row of a matrix to one group of threads, several groups to a block where rows are short.

    Attributes:
        vector: elements in one access.
        values: elements that each thread holds; 0 where the row does not fit into registers.
        group: threads for each row, in x.
        grid, block: launch extents.
    """

    vector: int
    values: int
    group: int
    grid: tuple[int]
    block: tuple[int, int]


_LEVELS = ((8, 8), (32, 8), (BLOCK, 8), (BLOCK, 16), (BLOCK, 32), (1024, 32))
"""(group, values): what a group can hold grows from 64 elements to 32,768."""


def in_registers(x: Any, arrays: int = 1) -> Rows:
    """The smallest group that holds a row of the matrix `x`, and as much of others, in registers.

    Args:
        arrays: how many arrays of that length there are. The 64 registers of each of 1024 threads hold 32 values of
            one or 16 of two; for three and more, groups end at 256 threads, with up to 255 registers each.
    """
    rows, cols = x.shape
    levels = _LEVELS if arrays == 1 else (*_LEVELS[:-1], (1024, 16)) if arrays == 2 else _LEVELS[:-1]
    group, values = next(((g, v) for g, v in levels if g * v >= cols), (1024, 0))
    return _grid(rows, vector(x.dtype.itemsize, cols), values, group)


def streaming(x: Any) -> Rows:
    """Groups for kernels that read each row of the matrix `x` once from start to end, in a loop."""
    rows, cols = x.shape
    group = 8 if cols <= 64 else 32 if cols <= 512 else BLOCK
    return _grid(rows, vector(x.dtype.itemsize, cols), 0, group)


def _grid(rows: int, width: int, values: int, group: int) -> Rows:
    together = max(BLOCK // group, 1)
    return Rows(width, values, group, (ceil_div(rows, together),), (group, together))


def tile(extent: int) -> tuple[int, int]:
    """A block of 256 threads for rows of `extent` accesses: as wide as the row asks for, the rest in y."""
    width = min(BLOCK, 1 << max(extent - 1, 0).bit_length())
    return width, BLOCK // width


def index_type(*arrays: Any) -> str:
    """The C++ type in which positions within all of the arrays fit, with room for one block more."""
    return "unsigned" if all(array.size < 2**31 for array in arrays) else "long long"
