"""Hunting cases: fresh shapes and adversarial inputs that follow from a run's seed, hence secret before it is drawn."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import msgspec
import numpy as np

from kparity import dtypes as dt
from kparity import patterns
from kparity.case import AttributeValue, Case
from kparity.distributions import integers
from kparity.draws import stream
from kparity.layouts import lay_out
from kparity.shapes import Bias, derive_axes, draw_bindings, parse_axes
from kparity.signature import CaseTemplate
from kparity.spec import KernelSpec

_TRIES = 200
_CHOICES = 3
_OPERATIONS = 1 << 25


def hunting_cases(
    spec: KernelSpec, seed: int, *, dtypes: Iterable[str] | None = None, rounds: int = 1
) -> tuple[Case, ...]:
    """The cases that a run with this seed hunts with: every applicable pattern on a shape of its own, in every dtype.

    Their role is `edge`: they are verified, never timed. Their key ends in `@` and the pattern. A layout is the same in
    every dtype.

    Args:
        spec: the task.
        seed: the run's.
        dtypes: keep cases all of whose dtype variables are bound to one of these.
        rounds: how many shapes are drawn for each pattern.

    Raises:
        SpecError: the spec's axis constraints contradict its declaration.
    """
    wanted = None if dtypes is None else set(dtypes)
    combinations = [dict(zip(spec.dtypes, one, strict=True)) for one in itertools.product(*spec.dtypes.values())]
    found: dict[str, Case] = {}
    for number, pattern in itertools.product(range(rounds), applicable_patterns(spec)):
        template = _draw_template(spec, pattern, stream(seed, "shape", spec.name, pattern, str(number)))
        for combination in combinations:
            if template is not None and (wanted is None or set(combination.values()) <= wanted):
                case = spec.bind(template, combination)
                case = msgspec.structs.replace(case, key=f"{case.key}@{pattern}", pattern=pattern)
                if pattern in patterns.LAYOUTS:
                    rng = stream(seed, "layout", spec.name, pattern, str(number))
                    case = lay_out(case, spec.strided, pattern, rng)
                found.setdefault(case.key, case)
    return tuple(found.values())


def applicable_patterns(spec: KernelSpec) -> tuple[str, ...]:
    """Names of the patterns that this spec is hunted with, its own included."""
    names: list[str] = []
    free = spec.axes is None or any(isinstance(one, range) for one in spec.axes.values())
    if free:
        names += patterns.SHAPES
    hunted = [declared for name, declared in spec.inputs.items() if name not in spec.hunting.fixed]
    supports = [one.distribution.support() for one in hunted if one.distribution is not None]
    kinds = [_is_float(spec, one.dtype) for one in hunted]
    if any(float_ and support is not None for float_, support in zip(kinds, supports, strict=True)):
        names += patterns.FLOATS
    if any(not float_ and isinstance(one.distribution, integers) for float_, one in zip(kinds, hunted, strict=True)):
        names += patterns.INDICES
    most = max((len(spec.inputs[name].axes) for name in spec.strided), default=0)
    names += [name for name, axes in patterns.LAYOUT_AXES.items() if axes <= most]
    names = [name for name in names if name not in spec.hunting.exclude]
    return (*names, *spec.hunting.own)


def _draw_template(spec: KernelSpec, pattern: str, rng: np.random.Generator) -> CaseTemplate | None:
    """A shape that the spec's constraints allow and that is small enough; None where none was found."""
    bias: Bias = "unit" if pattern == "unit" else "square" if pattern == "square" else "any"
    known = {*spec.axis_names, *spec.attributes}
    declared = [one.bindings for one in spec.templates if one.role != "perf"] or [spec.templates[0].bindings]
    pinned = parse_axes(spec.hunting.axes.get(pattern, {}))
    smallest: tuple[int, CaseTemplate] | None = None
    fitting: list[tuple[int, CaseTemplate]] = []
    for _ in range(_TRIES):
        constraints = spec.axes if spec.axes is not None else derive_axes(declared, rng)
        bindings: dict[str, AttributeValue] = {
            name: value for name, value in draw_bindings({**constraints, **pinned}, rng, bias).items() if name in known
        }
        template = CaseTemplate("edge", bindings)
        case = spec.bind(template, {variable: choices[0] for variable, choices in spec.dtypes.items()})
        if case.elements <= spec.hunting.elements and (case.flops or 0) <= _OPERATIONS:
            fitting.append((case.flops or case.elements, template))
            if len(fitting) == (_CHOICES if pattern in patterns.ALL else 3 * _CHOICES):
                break
        if smallest is None or (case.flops or case.elements) < smallest[0]:
            smallest = (case.flops or case.elements, template)
    if fitting:  # few elements show few mistakes
        return max(fitting, key=lambda one: one[0])[1]
    return smallest[1] if smallest is not None and spec.axes is None else None


def _is_float(spec: KernelSpec, dtype: str) -> bool:
    return dt.is_float(spec.dtypes[dtype][0] if dtype in spec.dtypes else dtype)
