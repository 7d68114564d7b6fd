"""Mutants with wrong outputs: zeros, an echoed input, a tail that was not written, one wrong element."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from kparity.case import ArrayInfo
from kparity.draws import Arrays, stream
from kparity.imprecise import NotApplicable, coarsest_rounding
from kparity.inputs import generate
from kparity.mutation import Make, Mutant, honest_outputs
from kparity.oracle import evaluate_reference
from kparity.problem import Problem
from kparity.spec import KernelSpec


def of_outputs(spec: KernelSpec) -> Iterator[Mutant]:
    """The reference whose outputs were changed afterwards, and outputs that do not come from it."""
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
