"""Fresh shapes: axis lengths drawn from what a spec allows, so that a kernel right only at the declared sizes fails.

Lengths around block sizes (powers of two, one less, one more) are as likely as all others together.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from kparity.axes import Expression
from kparity.case import AttributeValue
from kparity.errors import SpecError

Constraint = range | tuple[AttributeValue, ...] | Expression
"""What an axis or attribute may be: a range of lengths, a choice of values, or an expression over those before it."""

Bias = Literal["any", "unit", "square"]


def parse_axes(axes: Mapping[str, range | Sequence[AttributeValue] | str]) -> dict[str, Constraint]:
    """Check and freeze the constraints of a spec.

    Raises:
        SpecError: a constraint is empty, starts below zero or cannot be parsed.
    """
    parsed: dict[str, Constraint] = {}
    for name, constraint in axes.items():
        if isinstance(constraint, str):
            parsed[name] = Expression(constraint)
        elif isinstance(constraint, range):
            if not constraint or constraint[0] < 0 or constraint.step < 1:
                raise SpecError(f"axes: {name!r} is {constraint}; expected an ascending range of lengths >= 0")
            parsed[name] = constraint
        else:
            if not constraint:
                raise SpecError(f"axes: {name!r} has no value to choose from; leave it out to keep the declared ones")
            parsed[name] = tuple(constraint)
    return parsed


def derive_axes(declared: Sequence[Mapping[str, AttributeValue]], rng: np.random.Generator) -> dict[str, Constraint]:
    """Constraints from the declared cases: one of them, at random, whose free axes may have any other length.

    An axis counts as free where its declared lengths show that it takes any: at least three different ones, among them
    one that is odd and one that does not divide the next larger. The others keep the length that the case gives them.

    Args:
        declared: the axes of each declared case.
        rng: chooses the case.
    """
    chosen = declared[int(rng.integers(len(declared)))]
    constraints: dict[str, Constraint] = {}
    for name, value in chosen.items():
        lengths = sorted({case[name] for case in declared if type(case.get(name)) is int})
        constraints[name] = (value,)
        if len(lengths) >= 3 and type(value) is int and _varied([int(one) for one in lengths]):
            constraints[name] = range(1, int(lengths[-1]) + 1)
    return constraints


def draw_bindings(
    constraints: Mapping[str, Constraint], rng: np.random.Generator, bias: Bias = "any"
) -> dict[str, AttributeValue]:
    """One binding for every name, helper names included, in the order of the constraints.

    Args:
        constraints: what each may be.
        rng: the source of randomness.
        bias: `unit` takes the smallest length for one of the ranges; `square` the same length for all that allow it.
    """
    ranges = [name for name, one in constraints.items() if isinstance(one, range) and len(one) > 1]
    smallest = ranges[int(rng.integers(len(ranges)))] if bias == "unit" and ranges else None
    spans = [one for one in constraints.values() if isinstance(one, range) and len(one) > 1]
    common: range | None = None
    if bias == "square" and spans:
        common = range(max(span[0] for span in spans), min(span[-1] for span in spans) + 1)
    side = _length(common, rng) if common else 0
    bound: dict[str, AttributeValue] = {}
    for name, one in constraints.items():
        if isinstance(one, Expression):
            bound[name] = int(one.evaluate(bound))
        elif isinstance(one, range):
            bound[name] = one[0] if name == smallest else side if side in one and common else _length(one, rng)
        else:
            bound[name] = one[int(rng.integers(len(one)))]
    return bound


def _length(allowed: range, rng: np.random.Generator) -> int:
    low, high = max(allowed[0], 1), max(allowed[-1], 1)
    near = [2**power + step for power in range(int(math.log2(high)) + 2) for step in (-1, 0, 1)]
    blocks = [length for length in near if length in allowed and length > 1]
    if blocks and rng.random() < 0.5:
        return int(blocks[int(rng.integers(len(blocks)))])
    drawn = round(math.exp(rng.uniform(math.log(low), math.log(high + 0.49))))
    return int(allowed[min(max(drawn - allowed[0], 0) // allowed.step, len(allowed) - 1)])


def _varied(lengths: Iterable[int]) -> bool:
    above_one = [length for length in lengths if length > 1]
    pairs = itertools.pairwise(above_one)
    return any(length % 2 for length in above_one) and any(large % small for small, large in pairs)
