"""Wrong realizations whose arithmetic alone is wrong: sums in a low precision, series that end too early."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kparity import dtypes
from kparity.arithmetic import Blocked, Elementary, Stepwise, Style, rounded
from kparity.draws import Arrays
from kparity.honest import evaluate_in_style
from kparity.problem import Problem


class NotApplicable(Exception):
    """A mutant has no meaning on this problem; the message says why."""


class LowSums(Stepwise):
    """Sums and products are carried in a low precision, one term after the other."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype

    def add(self, carried: Any, term: np.ndarray) -> Any:
        """Round after every addition."""
        return rounded(carried + term, self._dtype)


class LowTotals(Blocked):
    """Blocks of 32 are summed well; their total is kept in a low precision."""

    def __init__(self, dtype: str) -> None:
        super().__init__(32)
        self._dtype = dtype

    def carry(self, total: np.ndarray) -> np.ndarray:
        """Round the total."""
        return rounded(total, self._dtype)


class LowEverything(Style):
    """Every result is rounded to a low precision."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype

    def finish(self, result: np.ndarray) -> np.ndarray:
        """Round."""
        return rounded(result, self._dtype)


class Truncated(Style):
    """Elementary functions end their series too early.

    Args:
        terms: of the series of the exponential, after the one.
        error: about the relative error of the other functions.

    Attributes:
        used: whether any of them was evaluated.
    """

    def __init__(self, terms: int, error: float) -> None:
        self.used = False
        self._terms = terms
        wrong: dict[str, Elementary] = {
            name: self._off(name, error)
            for name in ("log", "tanh", "erf", "erfc", "sqrt", "sin", "cos", "log2", "expm1")
        }
        self.elementary = {"exp": self._exp, **wrong}

    def _exp(self, x: np.ndarray) -> np.ndarray:
        self.used = True
        turns = np.rint(x / math.log(2))
        rest = x - turns * math.log(2)
        series = sum(rest**power / math.factorial(power) for power in range(self._terms + 1))
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(np.where(np.isfinite(x), np.exp2(turns) * series, np.exp(x)), dtype=x.dtype)

    def _off(self, name: str, error: float) -> Elementary:
        def function(x: np.ndarray) -> np.ndarray:
            self.used = True
            right = getattr(np, name, None) or _special(name)
            return np.asarray(right(x) * (1 + error * np.cos(3 * x)), dtype=np.asarray(x).dtype)

        return function


def _special(name: str) -> Elementary:
    import scipy.special

    function: Elementary = getattr(scipy.special, name)
    return function


def _in_style(style: Style) -> Callable[[Problem], Arrays]:
    return lambda problem: evaluate_in_style(problem.spec, problem.case, problem.inputs, style)


def _everywhere(dtype: str) -> Callable[[Problem], Arrays]:
    def run(problem: Problem) -> Arrays:
        if problem.spec.numerics.storage_intermediates and float(dtypes.finfo(dtype).eps) / 2 <= coarsest_rounding(
            problem
        ):
            raise NotApplicable("the contract allows intermediates in the storage dtype")
        return evaluate_in_style(problem.spec, problem.case, problem.inputs, LowEverything(dtype))

    return run


def _series(terms: int, error: float) -> Callable[[Problem], Arrays]:
    def run(problem: Problem) -> Arrays:
        if 8 * coarsest_rounding(problem) > error:
            raise NotApplicable("a few of the roundings of intermediates that the contract allows make as much")
        style = Truncated(terms, error)
        outputs = evaluate_in_style(problem.spec, problem.case, problem.inputs, style)
        if not style.used:
            raise NotApplicable("the reference evaluates no series")
        return outputs

    return run


def coarsest_rounding(problem: Problem) -> float:
    """The largest relative error of a single rounding that the contract allows besides that of the outputs.

    Half an ulp of the storage dtype for intermediates in it; an ulp of TF32, which hardware truncates to.
    """
    contract, units = problem.spec.numerics, [0.0]
    stored = [info.dtype for info in problem.case.inputs if dtypes.is_float(info.dtype)]
    if contract.storage_intermediates:
        units += [float(dtypes.finfo(one).eps) / 2 for one in stored]
    if contract.tf32 and "float32" in stored:
        units.append(2.0**-10)
    return max(units)


IMPRECISE: Mapping[str, Callable[[Problem], Arrays]] = {
    "float16 sums": _in_style(LowSums("float16")),
    "bfloat16 sums": _in_style(LowSums("bfloat16")),
    "float16 totals of blocks": _in_style(LowTotals("float16")),
    "bfloat16 totals of blocks": _in_style(LowTotals("bfloat16")),
    "float16 arithmetic": _everywhere("float16"),
    "bfloat16 arithmetic": _everywhere("bfloat16"),
    "truncated series": _series(4, 2e-4),
    "series of two terms": _series(2, 1e-2),
    "series of one term": _series(1, 5e-2),
}
"""By name: outputs of the reference carried out too coarsely, not yet rounded to the output dtypes."""
