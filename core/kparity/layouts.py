"""Inputs that are not contiguous: how their elements lie in a larger memory, and what fills the rest of it.

A layout follows from the run's seed as the values do. The host fills a flat memory, elements at their places and poison
between them; the backend copies it to the device as it copies any array, and only views it with other strides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from kparity import dtypes
from kparity.case import ArrayInfo, Case, Layout
from kparity.patterns import LAYOUT_AXES, choose_targets

ABILITY = "strided inputs"
"""What a device that can lay out an input calls it among its capabilities."""

_TAIL = 16
"""Elements of poison behind the last one, at most."""


def lay_out(case: Case, names: Sequence[str], pattern: str, rng: np.random.Generator) -> Case:
    """`case` with other layouts for one of the largest of the named inputs, and for others by the toss of a coin.

    Args:
        case: whose inputs are contiguous.
        names: inputs that may be laid out.
        pattern: one of `kparity.patterns.LAYOUTS`.
        rng: the source of randomness.
    """
    sizes = {one.name: one.size for one in case.inputs if one.name in names and _can(pattern, one.shape)}
    chosen = choose_targets(pattern, sizes, rng) if sizes else set()
    inputs = [
        msgspec.structs.replace(one, layout=draw(pattern, one.shape, rng)) if one.name in chosen else one
        for one in case.inputs
    ]
    return msgspec.structs.replace(case, inputs=tuple(inputs))


def draw(pattern: str, shape: tuple[int, ...], rng: np.random.Generator) -> Layout:
    """A layout of that kind for an array of this shape, none of whose axes is empty.

    Args:
        pattern: one of `kparity.patterns.LAYOUTS`.
        shape: with as many axes as `LAYOUT_AXES` asks for.
        rng: the source of randomness.
    """
    order = list(range(len(shape)))
    around, step, offset = [*shape], 1, 2 * int(rng.integers(0, 4)) + 1
    if pattern == "sliced":
        before = int(rng.integers(0, 18))
        around[-1] += before + int(rng.integers(1, 18))
        offset = before
    elif pattern == "transposed":
        while order == sorted(order):
            order = [int(axis) for axis in rng.permutation(len(shape))]
        offset = 0
    elif pattern == "stepped":
        step = int(rng.integers(2, 4))
        offset = int(rng.integers(0, step))
    strides, distance = [0] * len(shape), step
    for axis in reversed(order):
        strides[axis], distance = distance, distance * around[axis]
    reach = sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    return Layout(tuple(strides), offset, offset + reach + 1 + int(rng.integers(1, _TAIL + 1)))


def places(info: ArrayInfo, positions: np.ndarray) -> np.ndarray:
    """Where in its memory the elements at these flat positions of a laid-out array lie.

    Raises:
        ValueError: the layout does not fit the shape: an element would lie outside the memory, or two in one place.
    """
    layout = info.layout
    assert layout is not None
    _check(info, layout)
    index = np.unravel_index(positions, info.shape)
    at = np.full(np.shape(positions), layout.offset, np.int64)
    for one, stride in zip(index, layout.strides, strict=True):
        at += one * stride
    return at


def spread(array: np.ndarray, info: ArrayInfo) -> np.ndarray:
    """The flat memory that holds `array` in the layout of `info`, with poison everywhere else.

    Raises:
        ValueError: the layout does not fit the shape.
    """
    assert info.layout is not None
    at = places(info, np.arange(info.size))
    memory = np.full(info.layout.extent, poison(info.dtype), dtypes.dtype(info.dtype))
    memory[at] = array.reshape(-1)
    return memory


def gather(memory: np.ndarray, info: ArrayInfo) -> np.ndarray:
    """The contiguous array that lies in a flat memory."""
    return np.asarray(memory[places(info, np.arange(info.size))].reshape(info.shape))


def is_untouched(memory: np.ndarray, info: ArrayInfo) -> bool:
    """Whether all that is no element still holds the poison, bit by bit."""
    between = np.ones(memory.size, bool)
    between[places(info, np.arange(info.size))] = False
    wanted = np.full(int(np.count_nonzero(between)), poison(info.dtype), dtypes.dtype(info.dtype))
    return memory[between].tobytes() == wanted.tobytes()


def poison(dtype: str) -> float | int | bool:
    """What a kernel reads where no element lies: NaN, the largest integer, or true."""
    if dtypes.is_float(dtype):
        return math.nan
    return True if dtype == "bool" else int(np.iinfo(dtypes.dtype(dtype)).max)


def _can(pattern: str, shape: tuple[int, ...]) -> bool:
    return len(shape) >= LAYOUT_AXES[pattern] and math.prod(shape) > 0


def _check(info: ArrayInfo, layout: Layout) -> None:
    """A layout may come from a file: what it says is not trusted with memory."""
    if len(layout.strides) != len(info.shape) or layout.offset < 0:
        raise ValueError(f"input {info.name!r}: {layout} does not fit shape {info.shape}")
    reach = layout.offset
    for stride, length in sorted(zip(layout.strides, info.shape, strict=True)):
        if length > 1 and stride <= reach - layout.offset:
            raise ValueError(f"input {info.name!r}: in {layout}, elements of shape {info.shape} lie over each other")
        reach += (length - 1) * stride
    if not reach < layout.extent:
        raise ValueError(f"input {info.name!r}: {layout} ends before the last element of shape {info.shape}")
