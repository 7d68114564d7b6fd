"""Inputs that hunt: adversarial patterns that are made from a spec's own distributions.

Each pattern takes the numbers that the spec draws and shapes them so that one class of mistake shows: cancellation,
dropped elements, a wrong epsilon, overflow, ties. Magnitudes follow the declared distribution and the storage dtype, so
that the mathematics keeps its meaning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kparity import dtypes
from kparity.case import AttributeValue
from kparity.distributions import Distribution
from kparity.errors import SpecError, UnknownNameError
from kparity.shapes import parse_axes

FLOATS: dict[str, str] = {
    "offset": "a mean many times the spread, as far as the storage dtype still resolves the spread",
    "spike": "small numbers with large ones at random places and at the ends",
    "alternating": "nearly equal magnitudes with alternating signs: sums cancel",
    "positive": "no sign changes in any input: sums do not cancel, so that small relative errors show",
    "large": "near overflow, as far as everything that the reference computes stays finite with room to spare",
    "tiny": "rows of widely different small magnitudes, around the square root of an epsilon where there is one",
    "whole": "small integers: sums are exact, equal values abound",
    "ties": "rows of one value or of two",
}
"""Patterns of floating-point inputs and what they hold."""

INDICES: dict[str, str] = {
    "repeated": "indices take only a few values, the first and the last allowed one among them",
    "descending": "indices in descending order",
}
"""Patterns of integer inputs that are drawn from a range."""

SHAPES: dict[str, str] = {
    "fresh": "the declared distributions at a shape that no case declares",
    "unit": "the same with one axis of the smallest length",
    "square": "the same with axes of equal length",
}
"""Patterns that concern the shape only."""

LAYOUTS: dict[str, str] = {
    "sliced": "columns of a wider array: rows lie further apart than they are long",
    "transposed": "a view with the axes in another order",
    "stepped": "every second or third element along the last axis of a longer array",
    "shifted": "contiguous, but beginning one, three, five or seven elements behind an aligned address",
}
"""Patterns that leave the declared values as they are and lay inputs out otherwise, where a spec allows that."""

LAYOUT_AXES: dict[str, int] = {"sliced": 2, "transposed": 2, "stepped": 1, "shifted": 1}
"""How many axes an input needs for each of `LAYOUTS`."""

ALL: tuple[str, ...] = (*SHAPES, *FLOATS, *INDICES, *LAYOUTS)

_LONE = ("offset", "large")  # of two inputs that are both so, the product means nothing any more


@dataclass(frozen=True)
class Hunting:
    """How far a spec lets its inputs be hunted with; the default is: everything.

    Attributes:
        exclude: patterns (`kparity.patterns.ALL`) under which the mathematics has no meaning.
        largest: by input, the largest magnitude that patterns may give it.
        fixed: inputs that keep their declared distribution under every pattern.
        own: patterns of the spec's own: by name, the distributions that replace those of some inputs.
        axes: by pattern, constraints that replace those of the spec's `axes` where that pattern is drawn.
        elements: the largest number of elements of a drawn case, inputs and outputs together.
    """

    exclude: Sequence[str] = ()
    largest: Mapping[str, float] = field(default_factory=dict)
    fixed: Sequence[str] = ()
    own: Mapping[str, Mapping[str, Distribution]] = field(default_factory=dict)
    axes: Mapping[str, Mapping[str, range | Sequence[AttributeValue] | str]] = field(default_factory=dict)
    elements: int = 1 << 15

    def check(self, inputs: Sequence[str], axes: Sequence[str]) -> None:
        """Check every name.

        Args:
            inputs: of the spec.
            axes: the names that constraints may bind.

        Raises:
            SpecError: an unknown pattern, input or axis, a constraint that cannot be met, or a pattern of the spec's
                own that has the name of a general one.
        """
        for pattern in self.exclude:
            if pattern not in ALL:
                raise SpecError(f"hunting: {UnknownNameError('pattern', pattern, ALL)}")
        for name in (*self.largest, *self.fixed, *(name for own in self.own.values() for name in own)):
            if name not in inputs:
                raise SpecError(f"hunting: {UnknownNameError('input', name, inputs)}")
        for pattern in self.own:
            if pattern in ALL or not pattern.isidentifier():
                raise SpecError(f"hunting: own pattern {pattern!r} needs a name of its own, an identifier")
        for pattern, constraints in self.axes.items():
            if pattern not in (*ALL, *self.own):
                raise SpecError(f"hunting: axes: {UnknownNameError('pattern', pattern, (*ALL, *self.own))}")
            for name in parse_axes(constraints):
                if name not in axes:
                    raise SpecError(f"hunting: axes of {pattern!r}: {UnknownNameError('axis', name, axes)}")


def choose_targets(pattern: str, sizes: Mapping[str, int], rng: np.random.Generator) -> set[str]:
    """Which of the inputs that can take a pattern do so: one of the largest, and others by the toss of a coin.

    Args:
        pattern: its name.
        sizes: elements of each input that can take it.
        rng: the source of randomness.
    """
    largest = [name for name, size in sizes.items() if 2 * size >= max(sizes.values())]
    main = largest[int(rng.integers(len(largest)))]
    coins = {name for name in sizes if rng.random() < 0.5}
    if pattern == "positive":
        return set(sizes)
    return {main} if pattern in _LONE else {main, *coins}


def shape_floats(
    pattern: str, base: np.ndarray, dtype: str, rng: np.random.Generator, *, epsilons: Sequence[float], largest: float
) -> np.ndarray:
    """The pattern made from `base`, in float64; `large` is scaled later.

    Args:
        pattern: one of `FLOATS`.
        base: what the declared distribution drew.
        dtype: the storage dtype.
        rng: the source of randomness.
        epsilons: values of the attributes called epsilon.
        largest: magnitude not to exceed.
    """
    base = np.asarray(base, dtype=np.float64)
    if base.size == 0:
        return base
    scale = float(np.sqrt(np.mean(base * base))) or 1.0
    shaped = _FLOATS[pattern](base, scale, dtype, rng, epsilons)
    limit = min(largest, float(dtypes.finfo(dtype).max) / 2)
    top = float(np.max(np.abs(shaped)))
    return np.asarray(shaped * (limit / top)) if top > limit else shaped


def shape_bounded(pattern: str, base: np.ndarray, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    """What can be made of an input that must stay within [low, high): ties, spikes at the ends, small magnitudes."""
    base = np.asarray(base, dtype=np.float64)
    if base.size == 0:
        return base
    if pattern == "ties":
        return np.where(_rows(base, rng.random), np.broadcast_to(base.reshape(-1)[0], base.shape), base)
    if pattern == "spike":
        return np.where(_places(base.shape, rng), low + (high - low) * 0.99, low + (high - low) * 0.01)
    if pattern == "tiny" and low > 0:
        return np.asarray(np.exp(rng.uniform(math.log(low), math.log(high), base.shape)))
    return base


def shape_indices(pattern: str, base: np.ndarray, low: int, high: int, rng: np.random.Generator) -> np.ndarray:
    """Integers in [low, high) under a pattern of `INDICES`; values outside, sentinels, stay where they are."""
    inside = (base >= low) & (base < high)
    if pattern == "repeated":
        few = np.array([low, high - 1, int(rng.integers(low, high))])
        made = few[rng.integers(0, len(few), base.shape)]
    else:
        made = np.sort(base.ravel())[::-1].reshape(base.shape)
        return made if inside.all() else np.where(inside, np.where((made >= low) & (made < high), made, low), base)
    return np.where(inside, made, base)


def _offset(
    base: np.ndarray, scale: float, dtype: str, rng: np.random.Generator, _epsilons: Sequence[float]
) -> np.ndarray:
    distance = min(1024.0, 0.125 / float(dtypes.finfo(dtype).eps))
    return np.asarray(base + scale * distance * rng.choice([-1.0, 1.0]))


def _spike(
    base: np.ndarray, scale: float, _dtype: str, rng: np.random.Generator, _epsilons: Sequence[float]
) -> np.ndarray:
    high = scale * 2.0 ** rng.integers(3, 7, base.shape) * np.where(rng.random(base.shape) < 0.5, -1, 1)
    return np.where(_places(base.shape, rng), high + base, base * 0.125)


def _alternating(
    base: np.ndarray, scale: float, _dtype: str, _rng: np.random.Generator, _epsilons: Sequence[float]
) -> np.ndarray:
    signs = 1.0 - 2.0 * (np.arange(base.size).reshape(base.shape) % 2)
    return np.asarray(signs * (scale + 0.0625 * base))


def _large(
    base: np.ndarray, _scale: float, dtype: str, _rng: np.random.Generator, _epsilons: Sequence[float]
) -> np.ndarray:
    top = float(np.max(np.abs(base))) or 1.0
    return np.asarray(base * (float(dtypes.finfo(dtype).max) / 2 / top))


def _tiny(
    base: np.ndarray, scale: float, dtype: str, rng: np.random.Generator, epsilons: Sequence[float]
) -> np.ndarray:
    deepest = min(30.0, -math.log2(float(dtypes.finfo(dtype).smallest_normal)) - 4)
    wanted = [-math.log2(one) * power for one in epsilons if one > 0 for power in (0.5, 1.0)]
    centres = [one for one in wanted if one <= deepest] or [deepest / 2]
    rows = base.shape[:1] if base.ndim > 1 else base.shape
    centre = np.where(rng.random(rows) < 0.75, rng.choice(centres, rows), rng.uniform(0, deepest, rows))
    powers = np.clip(centre + rng.uniform(-4, 4, rows), 0, deepest)
    return np.asarray(base / scale * np.exp2(-powers).reshape(rows + (1,) * (base.ndim - len(rows))))


def _whole(
    base: np.ndarray, scale: float, _dtype: str, _rng: np.random.Generator, _epsilons: Sequence[float]
) -> np.ndarray:
    return np.asarray(np.clip(np.rint(base / scale * 1.5), -4, 4))


def _ties(
    base: np.ndarray, scale: float, _dtype: str, rng: np.random.Generator, _epsilons: Sequence[float]
) -> np.ndarray:
    two = np.where(rng.random(base.shape) < 0.5, scale, -scale)
    one = np.broadcast_to(base.reshape(*base.shape[:-1], -1)[..., :1] if base.ndim else base, base.shape)
    return np.where(_rows(base, rng.random), one, two)


def _rows(base: np.ndarray, random: Callable[..., np.ndarray]) -> np.ndarray:
    """True for about half of the rows (last axis), at least the first."""
    chosen: np.ndarray = random(base.shape[:-1] + (1,) * (base.ndim > 0)) < 0.5
    chosen.reshape(-1)[:1] = True
    return chosen


def _places(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A few random places, the very last element, and the ends of a row."""
    places = rng.random(shape) < 1 / 64
    flat = places.reshape(-1)
    flat[-1] = True
    flat[int(rng.integers(flat.size))] = True
    if len(shape) > 1:
        places.reshape(-1, shape[-1])[0, -1] = True
    return places


_FLOATS: dict[str, Callable[[np.ndarray, float, str, np.random.Generator, Sequence[float]], np.ndarray]] = {
    "offset": _offset,
    "spike": _spike,
    "alternating": _alternating,
    "positive": lambda base, scale, dtype, rng, epsilons: np.abs(base) + 0.25 * scale,
    "large": _large,
    "tiny": _tiny,
    "whole": _whole,
    "ties": _ties,
}
