"""Wrong realizations, made from any spec: what a verifier must refuse.

A mutant turns a problem into outputs. Most are the reference itself with one thing wrong (inputs, attributes, outputs),
so that they can also be evaluated in float64: one that equals the oracle there is no mutant of this task but the same
function, such as a sum over elements that were merely moved. The others get the arithmetic wrong.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kparity import dtypes
from kparity.arithmetic import rounded
from kparity.draws import Arrays
from kparity.imprecise import IMPRECISE
from kparity.input_mutants import of_attributes, of_inputs
from kparity.mutation import Make, Mutant, honest_outputs
from kparity.oracle import evaluate_reference
from kparity.output_mutants import of_outputs
from kparity.problem import Problem
from kparity.spec import KernelSpec, Reference


def mutants(spec: KernelSpec) -> tuple[Mutant, ...]:
    """All mutants of a spec: the generic ones and its own."""
    arithmetic = (Mutant(name, _without_precision(run), True) for name, run in IMPRECISE.items())
    own = (Mutant(one.__name__.strip("_"), _formulation(one)) for one in spec.mutants)
    return (*of_outputs(spec), *of_inputs(spec), *of_attributes(spec), *arithmetic, *own)


def is_same_function(mutant: Mutant, problem: Problem) -> bool:
    """Whether the mutant equals the honest result on this problem.

    Either it gives bit for bit what the reference gives in the compute precision, rounded to the output dtypes; or,
    unless only its arithmetic is wrong, its difference from the oracle, when it is evaluated in float64, is at most
    2^-40 of the largest output.

    Raises:
        NotApplicable: it has no meaning on this problem.
    """
    precision = problem.spec.numerics.accumulate
    wrong, right = mutant.make(problem, precision), honest_outputs(problem, precision)
    identical = all(
        np.array_equal(rounded(a, info.dtype), rounded(b, info.dtype), equal_nan=dtypes.is_float(info.dtype))
        for a, b, info in zip(wrong, right, problem.case.outputs, strict=True)
    )
    if identical or mutant.arithmetic:
        return identical
    for value, truth in zip(mutant.make(problem, "float64"), problem.oracle, strict=True):
        value, truth = np.asarray(value, np.float64), np.asarray(truth, np.float64)
        odd = ~(np.isfinite(value) & np.isfinite(truth))
        if not np.array_equal(value[odd], truth[odd], equal_nan=True):
            return False
        scale = float(np.max(np.abs(truth[~odd]), initial=0.0))
        if (np.abs(value[~odd] - truth[~odd]) > 2.0**-40 * scale).any():
            return False
    return True


def _formulation(formulation: Reference) -> Make:
    return lambda problem, precision: evaluate_reference(
        problem.spec, problem.case, problem.inputs, precision, formulation
    )


def _without_precision(run: Callable[[Problem], Arrays]) -> Make:
    return lambda problem, _precision: run(problem)
