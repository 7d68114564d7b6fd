"""Wrong realizations, made from any spec: what a verifier must refuse.

A mutant turns a problem into outputs. Most are the reference itself with one thing wrong (inputs, attributes, outputs),
so that they can also be evaluated in float64: one that equals the oracle there is no mutant of this task but the same
function, such as a sum over elements that were merely moved. The others get the arithmetic wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from kparity import dtypes
from kparity.arithmetic import rounded
from kparity.case import ArrayInfo, AttributeValue
from kparity.draws import Arrays, stream
from kparity.errors import SpecError
from kparity.imprecise import IMPRECISE, NotApplicable, coarsest_rounding
from kparity.inputs import generate
from kparity.oracle import evaluate_reference
from kparity.problem import Problem
from kparity.spec import KernelSpec, Reference

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


def mutants(spec: KernelSpec) -> tuple[Mutant, ...]:
    """All mutants of a spec: the generic ones and its own."""
    arithmetic = (Mutant(name, _without_precision(run), True) for name, run in IMPRECISE.items())
    own = (Mutant(one.__name__.strip("_"), _formulation(one)) for one in spec.mutants)
    return (*_of_outputs(spec), *_of_inputs(spec), *_of_attributes(spec), *arithmetic, *own)


def honest_outputs(problem: Problem, precision: str) -> Arrays:
    """What the reference gives in that precision."""
    return evaluate_reference(problem.spec, problem.case, problem.inputs, precision)


def _formulation(formulation: Reference) -> Make:
    return lambda problem, precision: evaluate_reference(
        problem.spec, problem.case, problem.inputs, precision, formulation
    )


def _without_precision(run: Callable[[Problem], Arrays]) -> Make:
    return lambda problem, _precision: run(problem)


# --- wrong outputs ---------------------------------------------------------------------------------------------------


def _of_outputs(spec: KernelSpec) -> Iterator[Mutant]:
    for name, change in _OUTPUTS.items():
        for output in spec.outputs:
            label = name if len(spec.outputs) == 1 else f"{name}, {output}"
            yield Mutant(label, _changed_output(output, change), differs=name in ("zeros", "constant", "negated"))
    for output in spec.outputs:
        label = "echoed input" if len(spec.outputs) == 1 else f"echoed input, {output}"
        yield Mutant(label, _echo(output))
        label = "scaled by 1 + 1e-3" if len(spec.outputs) == 1 else f"scaled by 1 + 1e-3, {output}"
        yield Mutant(label, _unless_allowed(_changed_output(output, _scaled_by(1e-3))))
    yield Mutant("stale output of another draw", _stale, differs=True)


def _unless_allowed(make: Make) -> Make:
    """Where roundings that the contract allows can scale a whole output by as much, nobody can tell."""

    def made(problem: Problem, precision: str) -> Arrays:
        if coarsest_rounding(problem) > 5e-4:
            raise NotApplicable("the contract allows roundings of that size")
        return make(problem, precision)

    return made


Change = Callable[[np.ndarray, ArrayInfo, np.random.Generator], np.ndarray]


def _changed_output(output: str, change: Change) -> Make:
    def make(problem: Problem, precision: str) -> Arrays:
        outputs = []
        for value, info in zip(honest_outputs(problem, precision), problem.case.outputs, strict=True):
            if info.name == output:
                if not value.size:
                    raise NotApplicable("the output is empty")
                rng = stream(problem.seed, "mutant", problem.case.key, output)
                value = np.asarray(change(np.array(value), info, rng))
            outputs.append(value)
        return tuple(outputs)

    return make


def _constant(value: np.ndarray, info: ArrayInfo, rng: np.random.Generator) -> np.ndarray:
    finite = value[np.isfinite(value)]
    return np.full_like(value, np.mean(finite) if finite.size else 0)


def _last_block(value: np.ndarray, info: ArrayInfo, rng: np.random.Generator) -> np.ndarray:
    flat = value.reshape(-1)
    flat[flat.size - min(128, max(1, flat.size // 2)) :] = 0
    return value


def _one_wrong(value: np.ndarray, info: ArrayInfo, rng: np.random.Generator) -> np.ndarray:
    flat = value.reshape(-1)
    place = int(rng.integers(flat.size))
    flat[place] = -flat[place] if flat[place] else 1
    return value


def _nan(value: np.ndarray, info: ArrayInfo, rng: np.random.Generator) -> np.ndarray:
    if value.dtype.kind != "f":
        raise NotApplicable("integers know no NaN")
    value.reshape(-1)[int(rng.integers(value.size))] = np.nan
    return value


def _all_nan(value: np.ndarray, info: ArrayInfo, rng: np.random.Generator) -> np.ndarray:
    return _nan(value, info, rng) * np.nan


def _scaled_by(excess: float) -> Change:
    def scaled(value: np.ndarray, info: ArrayInfo, rng: np.random.Generator) -> np.ndarray:
        return value * (1 + excess) if value.dtype.kind == "f" else value + 1

    return scaled


def _neighbour(value: np.ndarray, info: ArrayInfo, rng: np.random.Generator) -> np.ndarray:
    return np.roll(value.reshape(-1), 1).reshape(value.shape)


def _last_row(value: np.ndarray, info: ArrayInfo, rng: np.random.Generator) -> np.ndarray:
    if value.ndim and value.shape[0] > 1:
        value[-1] = value[-2]
    return value


_OUTPUTS: Mapping[str, Change] = {
    "zeros": lambda value, info, rng: np.zeros_like(value),
    "constant": _constant,
    "output shifted by one": _neighbour,
    "last block unwritten": _last_block,
    "last row repeats the one before": _last_row,
    "one wrong element": _one_wrong,
    "one NaN": _nan,
    "NaN fill": _all_nan,
    "scaled by 1 + 1e-2": _scaled_by(1e-2),
    "negated": lambda value, info, rng: -value,
}


def _echo(output: str) -> Make:
    def make(problem: Problem, precision: str) -> Arrays:
        outputs = list(honest_outputs(problem, precision))
        place = next(i for i, info in enumerate(problem.case.outputs) if info.name == output)
        shape = problem.case.outputs[place].shape
        for array in problem.inputs:
            if array.shape == shape:
                outputs[place] = array.astype(outputs[place].dtype)
                return tuple(outputs)
        raise NotApplicable("no input has the shape of the output")

    return make


def _stale(problem: Problem, precision: str) -> Arrays:
    other = generate(problem.spec, problem.case, problem.seed + 1)
    return evaluate_reference(problem.spec, problem.case, other, precision)


# --- wrong inputs ----------------------------------------------------------------------------------------------------


def _of_inputs(spec: KernelSpec) -> Iterator[Mutant]:
    for name, declared in spec.inputs.items():
        yield Mutant(f"{name} ignored: zeros", _with_input(name, lambda array, rng: np.zeros_like(array)))
        yield Mutant(f"{name} ignored: ones", _with_input(name, lambda array, rng: np.ones_like(array)))
        yield Mutant(f"one element of {name} skipped", _with_input(name, _skip_one))
        for axis in range(len(declared.axes)):
            for label, change in _AXIS.items():
                yield Mutant(f"{label} of {name} along axis {axis}", _with_input(name, _along(change, axis)))
        for first, second in itertools.combinations(range(len(declared.axes)), 2):
            yield Mutant(f"axes {first} and {second} of {name} transposed", _transposed(name, first, second))
    for one, other in itertools.combinations(spec.inputs, 2):
        yield Mutant(f"{one} and {other} swapped", _swapped(one, other))
    if any(len(declared.axes) >= 2 for declared in spec.inputs.values()):
        yield Mutant("wrong axis", _wrong_axis)


def _evaluate(problem: Problem, inputs: Arrays, precision: str, attributes: dict[str, Any] | None = None) -> Arrays:
    case = problem.case if attributes is None else msgspec.structs.replace(problem.case, attributes=attributes)
    try:
        return evaluate_reference(problem.spec, case, inputs, precision)
    except SpecError as error:
        raise NotApplicable(f"the reference does not take that: {error}") from error


def _with_input(name: str, change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Make:
    def make(problem: Problem, precision: str) -> Arrays:
        rng = stream(problem.seed, "mutant", problem.case.key, name)
        inputs = tuple(
            change(np.array(array), rng) if info.name == name else array
            for array, info in zip(problem.inputs, problem.case.inputs, strict=True)
        )
        return _evaluate(problem, inputs, precision)

    return make


def _skip_one(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if array.size < 2:
        raise NotApplicable("the input has one element")
    array.reshape(-1)[int(rng.integers(array.size))] = 0
    return array


def _along(change: Callable[[np.ndarray], np.ndarray], axis: int) -> Callable[..., np.ndarray]:
    def changed(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if array.shape[axis] < 2:
            raise NotApplicable("the axis has length one")
        moved = np.array(np.moveaxis(array, axis, 0))
        return np.ascontiguousarray(np.moveaxis(change(moved), 0, axis))

    return changed


def _drop_tail(array: np.ndarray) -> np.ndarray:
    array[-1] = 0
    return array


def _drop_block(array: np.ndarray) -> np.ndarray:
    whole = 1 << (len(array) - 1).bit_length() - 1  # the largest power of two that is shorter
    array[whole:] = 0
    return array


def _drop_middle(array: np.ndarray) -> np.ndarray:
    array[len(array) // 2] = 0
    return array


_AXIS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "dropped last element": _drop_tail,
    "dropped middle element": _drop_middle,
    "dropped remainder after a power of two": _drop_block,
    "off by one": lambda array: np.roll(array, 1, axis=0),
    "reversed order": lambda array: array[::-1],
}


def _transposed(name: str, first: int, second: int) -> Make:
    def transpose(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if array.shape[first] < 2 and array.shape[second] < 2:
            raise NotApplicable("both axes have length one")
        return np.ascontiguousarray(np.swapaxes(array, first, second)).reshape(array.shape)

    return _with_input(name, transpose)


def _swapped(one: str, other: str) -> Make:
    def make(problem: Problem, precision: str) -> Arrays:
        infos = [info.name for info in problem.case.inputs]
        i, j = infos.index(one), infos.index(other)
        first, second = problem.case.inputs[i], problem.case.inputs[j]
        if first.shape != second.shape or dtypes.is_float(first.dtype) != dtypes.is_float(second.dtype):
            raise NotApplicable("the two never have the same shape and kind")
        inputs = list(problem.inputs)
        inputs[i], inputs[j] = inputs[j], inputs[i]
        return _evaluate(problem, tuple(inputs), precision)

    return make


def _wrong_axis(problem: Problem, precision: str) -> Arrays:
    """The last two axes of every input exchanged, the function applied, and the outputs exchanged back."""

    def turned(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.swapaxes(array, -1, -2)) if array.ndim >= 2 else array

    case = problem.case
    widened = [
        turned(array).astype(precision if dtypes.is_float(info.dtype) else np.int64)
        for array, info in zip(problem.inputs, case.inputs, strict=True)
    ]
    try:
        with np.errstate(all="ignore"):
            result = problem.spec.reference(*widened, **case.attributes)
    except Exception as error:
        raise NotApplicable(f"the reference does not take that: {error}") from error
    outputs = tuple(turned(np.asarray(one)) for one in (result if isinstance(result, tuple) else (result,)))
    if [one.shape for one in outputs] != [info.shape for info in case.outputs]:
        raise NotApplicable("it gives another shape")
    return outputs


# --- wrong attributes ------------------------------------------------------------------------------------------------


def _of_attributes(spec: KernelSpec) -> Iterator[Mutant]:
    for name, default in spec.attributes.items():
        yield Mutant(f"attribute {name} ignored", _with_attribute(name, _constantly(default)))
        if isinstance(default, bool):
            yield Mutant(f"attribute {name} inverted", _with_attribute(name, lambda value: not value))
        elif isinstance(default, int):
            yield Mutant(f"attribute {name} plus one", _with_attribute(name, lambda value: value + 1))
        elif isinstance(default, float) and "eps" in name:
            for label, factor in (("ten times", 10.0), ("a tenth of", 0.1), ("zero instead of", 0.0)):
                yield Mutant(f"{label} {name}", _with_attribute(name, _times(factor)))
        elif isinstance(default, float):
            yield Mutant(f"attribute {name} off by 10 %", _with_attribute(name, lambda value: value * 1.1))


def _constantly(value: AttributeValue) -> Callable[[Any], AttributeValue]:
    return lambda _: value


def _times(factor: float) -> Callable[[Any], AttributeValue]:
    return lambda value: float(value * factor)


def _with_attribute(name: str, change: Callable[[Any], AttributeValue]) -> Make:
    def make(problem: Problem, precision: str) -> Arrays:
        before = problem.case.attributes[name]
        after = change(before)
        if after == before:
            raise NotApplicable("no case gives the attribute another value")
        return _evaluate(problem, problem.inputs, precision, {**problem.case.attributes, name: after})

    return make


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
