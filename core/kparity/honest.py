"""Honest realizations of a reference: other orders, other instructions, the roundings that the contract allows.

All of them must pass every task. They share no code with the ensemble behind the bound (`kparity.bounds`), and take
orders and block sizes that it does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kparity import dtypes
from kparity.arithmetic import Blocked, Stepwise, Style, rounded, styled
from kparity.case import Case
from kparity.draws import Arrays
from kparity.oracle import evaluate_reference
from kparity.spec import KernelSpec, Reference


class Tree(Style):
    """The upper half is added onto the lower until one term is left, as the threads of a block do."""

    def total(self, terms: np.ndarray) -> np.ndarray:
        """Halves onto halves."""
        while len(terms) > 1:
            half = -(-len(terms) // 2)
            upper = terms[half:]
            terms = np.concatenate([terms[: len(upper)] + upper, terms[len(upper) : half]])
        return np.asarray(terms[0])

    def running(self, terms: np.ndarray) -> np.ndarray:
        """The scan of Hillis and Steele: with the term 1, 2, 4, ... places before."""
        step = 1
        while step < len(terms):
            terms = np.concatenate([terms[:step], terms[step:] + terms[:-step]])
            step *= 2
        return terms

    def product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Inner axis halved down to eight terms."""
        depth = a.shape[-1]
        if depth <= 8:
            return np.asarray(a @ b)
        half = depth // 2
        left, right = self.product(a[..., :half], b[..., :half, :]), self.product(a[..., half:], b[..., half:, :])
        return np.asarray(left + right)


class Kahan(Stepwise):
    """Compensated summation."""

    def start(self, term: np.ndarray) -> Any:
        """The sum and its compensation."""
        return term, np.zeros_like(term)

    def add(self, carried: Any, term: np.ndarray) -> Any:
        """Add what the last addition lost."""
        total, lost = carried
        corrected = term - lost
        new = total + corrected
        return new, (new - total) - corrected

    def value(self, carried: Any) -> np.ndarray:
        """The sum."""
        return np.asarray(carried[0])


class Backwards(Stepwise):
    """From the last term to the first."""

    def order(self, count: int) -> np.ndarray:
        """Last to first."""
        return np.arange(count)[::-1]


class Fused(Stepwise):
    """Products are added with one rounding (fused multiply-add), in order."""

    def product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Exact products of float32 operands, each sum rounded once."""
        wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
        total = np.zeros((*a.shape[:-1], b.shape[-1]), a.dtype) if a.ndim == b.ndim else np.zeros_like(a @ b)
        for place in range(a.shape[-1]):
            total = (total + wide_a[..., :, place, None] * wide_b[..., place, None, :]).astype(a.dtype)
        return total


class Lanes(Style):
    """Thread t of 32 sums terms t, t + 32, ...; then the threads' sums are halved onto each other."""

    def total(self, terms: np.ndarray) -> np.ndarray:
        """32 strided sums, then a tree."""
        lanes = [Backwards().total(terms[lane::32][::-1]) for lane in range(min(32, len(terms)))]
        return Tree().total(np.stack(lanes))


class Reciprocal(Lanes):
    """Divisions multiply by a rounded reciprocal, square roots come from a rounded reciprocal square root."""

    elementary = {
        "divide": lambda a, b: np.multiply(a, np.divide(np.asarray(b).dtype.type(1), b)),
        "sqrt": lambda a: np.where(a > 0, a * (1 / np.sqrt(np.where(a > 0, a, 1))), np.sqrt(a)),
    }


class Binary(Lanes):
    """Exponentials and logarithms to base two, as the hardware has them."""

    elementary = {
        "exp": lambda x: np.exp2(x * x.dtype.type(math.log2(math.e))),
        "log": lambda x: np.log2(x) * x.dtype.type(math.log(2)),
    }


class Stored(Style):
    """Every intermediate result is rounded to the storage dtype; sums and products are carried without."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype

    def finish(self, result: np.ndarray) -> np.ndarray:
        """Round."""
        return rounded(result, self._dtype)


class Tf32(Blocked):
    """Matrix products on operands in TF32, ten bits of mantissa: rounded half away from zero, or truncated."""

    def __init__(self, *, truncate: bool) -> None:
        super().__init__(64)
        self._up = 0.0 if truncate else 0.5

    def product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The product of such operands."""
        return super().product(self._shortened(a), self._shortened(b))

    def _shortened(self, array: np.ndarray) -> np.ndarray:
        mantissa, exponent = np.frexp(np.abs(array.astype(np.float64)))
        kept = np.floor(mantissa * 2**11 + self._up)
        return np.asarray(np.copysign(np.ldexp(kept, exponent - 11), array).astype(array.dtype))


@dataclass(frozen=True)
class Variant:
    """One honest realization.

    Attributes:
        name: what is different about it.
        run: gives its outputs, not yet rounded, for a spec, a case and its inputs; None where the contract does not
            allow it or nothing would be different.
    """

    name: str
    run: Callable[[KernelSpec, Case, Arrays], Arrays | None]


def _in_style(name: str, make: Callable[[KernelSpec, Case], Style | None]) -> Variant:
    def run(spec: KernelSpec, case: Case, inputs: Arrays) -> Arrays | None:
        style = make(spec, case)
        return None if style is None else evaluate_in_style(spec, case, inputs, style)

    return Variant(name, run)


def evaluate_in_style(
    spec: KernelSpec, case: Case, inputs: Arrays, style: Style, formulation: Reference | None = None
) -> Arrays:
    """The reference, or another formulation, in the compute precision and a style."""
    precision = spec.numerics.accumulate
    moved = tuple(
        styled(array.astype(precision), style) if dtypes.is_float(info.dtype) else array
        for array, info in zip(inputs, case.inputs, strict=True)
    )
    return evaluate_reference(spec, case, moved, precision, formulation)


def _double(spec: KernelSpec, case: Case, inputs: Arrays) -> Arrays:
    return evaluate_reference(spec, case, inputs, "float64")


def _storage(spec: KernelSpec, case: Case) -> Style | None:
    kinds = {info.dtype for info in case.inputs if dtypes.is_float(info.dtype)}
    return Stored(next(iter(kinds))) if spec.numerics.storage_intermediates and len(kinds) == 1 else None


def _shuffled(case: Case) -> Callable[[int], np.ndarray]:
    rng = np.random.default_rng(len(case.key))
    return lambda count: rng.permutation(count)


GENERIC: tuple[Variant, ...] = (
    _in_style("tree", lambda spec, case: Tree()),
    _in_style("kahan", lambda spec, case: Kahan()),
    _in_style("backwards", lambda spec, case: Backwards()),
    _in_style("fused multiply-add", lambda spec, case: Fused()),
    _in_style("32 lanes", lambda spec, case: Lanes()),
    _in_style("blocks of 32", lambda spec, case: Blocked(32)),
    _in_style("blocks of 128", lambda spec, case: Blocked(128)),
    _in_style("blocks of 1000", lambda spec, case: Blocked(1000)),
    _in_style("split, random order", lambda spec, case: Blocked(48, _shuffled(case))),
    _in_style("reciprocals", lambda spec, case: Reciprocal()),
    _in_style("base two", lambda spec, case: Binary()),
    _in_style("storage intermediates", _storage),
    _in_style("tf32, rounded", lambda spec, case: Tf32(truncate=False) if spec.numerics.tf32 else None),
    _in_style("tf32, truncated", lambda spec, case: Tf32(truncate=True) if spec.numerics.tf32 else None),
    Variant("float64", _double),
)
"""Honest realizations of any reference."""


def variants(spec: KernelSpec) -> tuple[Variant, ...]:
    """All honest realizations of a spec: the generic ones, and its own in plain and in 32-lane arithmetic."""

    def own(formulation: Reference) -> Callable[[KernelSpec, Case, Arrays], Arrays]:
        return lambda spec, case, inputs: evaluate_reference(spec, case, inputs, spec.numerics.accumulate, formulation)

    def own_lanes(formulation: Reference) -> Callable[[KernelSpec, Case, Arrays], Arrays]:
        return lambda spec, case, inputs: evaluate_in_style(spec, case, inputs, Lanes(), formulation)

    made = list(GENERIC)
    for formulation in (*spec.variants, *spec.honest):
        name = formulation.__name__.strip("_")
        made.append(Variant(name, own(formulation)))
        made.append(Variant(f"{name}, 32 lanes", own_lanes(formulation)))
    return tuple(made)
