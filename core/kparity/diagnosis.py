"""Why outputs may be off, for people: no verdict follows from it."""

from __future__ import annotations

import msgspec
import numpy as np

from kparity import dtypes
from kparity.honest import Tf32, evaluate_in_style
from kparity.inputs import Arrays
from kparity.problem import Problem
from kparity.records import Verdict
from kparity.sampling import cut_outputs
from kparity.verify import BoundCheck

EXPLAINED = 0.1
"""Most that may be left of an error, by the norm, where something explains it."""
OPERATIONS = 1 << 31
ELEMENTS = 1 << 22
"""Larger problems are not evaluated once more for a hint."""


def explained(verdict: Verdict, problem: Problem, outputs: Arrays, remedy: str = "") -> Verdict:
    """The verdict; where products on operands in TF32 give just these outputs, its message says so.

    Args:
        verdict: on these outputs.
        remedy: how the backend's framework is asked for float32 products; see `Backend.full_precision`.
    """
    failed = [check for check in verdict.checks if check.status != "passed"]
    if [check.name for check in failed] != [BoundCheck.name] or not _as_tf32(problem, outputs):
        return verdict
    hint = (
        "; products on operands rounded to ten bits of mantissa, as TF32 has, give these values, and the task asks "
        f"for float32{f': {remedy}' if remedy else ''}"
    )
    check = msgspec.structs.replace(failed[0], message=failed[0].message + hint)
    return Verdict.of_checks(check if one is failed[0] else one for one in verdict.checks)


def _as_tf32(problem: Problem, outputs: Arrays) -> bool:
    if problem.parts:
        outputs = cut_outputs(problem.spec, outputs, problem.parts[0].chosen)
        problem = problem.parts[0]
    case, spec = problem.case, problem.spec
    kinds = {info.dtype for info in case.inputs if dtypes.is_float(info.dtype)}
    large = case.elements > ELEMENTS or (case.flops or 0) > OPERATIONS
    if spec.numerics.tf32 or kinds != {"float32"} or large:
        return False
    for truncate in (False, True):
        cut = evaluate_in_style(spec, case, problem.inputs, Tf32(truncate=truncate))
        if all(map(_nearer, outputs, cut, problem.oracle)):
            return True
    return False


def _nearer(output: np.ndarray, cut: np.ndarray, truth: np.ndarray) -> bool:
    """Whether an output is much nearer to what low precision gives than to the truth."""
    whole, rest = (np.linalg.norm(np.nan_to_num(output.astype(np.float64) - one)) for one in (truth, cut))
    return bool(rest <= EXPLAINED * whole)
