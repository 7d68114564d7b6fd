"""Mutants that read wrongly: the honest arithmetic on inputs or attributes that are not those given."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from kparity import dtypes
from kparity.case import AttributeValue
from kparity.draws import Arrays, stream
from kparity.imprecise import NotApplicable
from kparity.mutation import Make, Mutant, evaluate_changed
from kparity.problem import Problem
from kparity.spec import KernelSpec


def of_inputs(spec: KernelSpec) -> Iterator[Mutant]:
    """The reference on inputs of which one was ignored, cut, shifted, turned or swapped."""
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


def _with_input(name: str, change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Make:
    def make(problem: Problem, precision: str) -> Arrays:
        rng = stream(problem.seed, "mutant", problem.case.key, name)
        inputs = tuple(
            change(np.array(array), rng) if info.name == name else array
            for array, info in zip(problem.inputs, problem.case.inputs, strict=True)
        )
        return evaluate_changed(problem, inputs, precision)

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
        return evaluate_changed(problem, tuple(inputs), precision)

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


def of_attributes(spec: KernelSpec) -> Iterator[Mutant]:
    """The reference with an attribute that was ignored or that is off."""
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
        return evaluate_changed(problem, problem.inputs, precision, {**problem.case.attributes, name: after})

    return make
