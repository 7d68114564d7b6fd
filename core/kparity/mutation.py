"""What a mutant is, and what mutants are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from kparity.draws import Arrays
from kparity.errors import SpecError
from kparity.imprecise import NotApplicable
from kparity.oracle import evaluate_reference
from kparity.problem import Problem

Make = Callable[[Problem, str], Arrays]
"""Outputs for a problem, computed in a precision (`float32`, `float64`), not yet rounded to the output dtypes."""


@dataclass(frozen=True)
class Mutant:
    """One wrong realization.

    Attributes:
        name: what is wrong with it.
        make: gives its outputs; raises `NotApplicable`.
        arithmetic: only the rounding is wrong, so that evaluating it in float64 means nothing.
        differs: it is wrong for any task that is worth verifying: where it equals the honest result on every draw, the
            inputs tell nothing.
    """

    name: str
    make: Make
    arithmetic: bool = False
    differs: bool = False


def honest_outputs(problem: Problem, precision: str) -> Arrays:
    """What the reference gives in that precision."""
    return evaluate_reference(problem.spec, problem.case, problem.inputs, precision)


def evaluate_changed(
    problem: Problem, inputs: Arrays, precision: str, attributes: dict[str, Any] | None = None
) -> Arrays:
    """What the reference gives for changed inputs or attributes.

    Raises:
        NotApplicable: the reference does not take them.
    """
    case = problem.case if attributes is None else msgspec.structs.replace(problem.case, attributes=attributes)
    try:
        return evaluate_reference(problem.spec, case, inputs, precision)
    except SpecError as error:
        raise NotApplicable(f"the reference does not take that: {error}") from error
