"""Gradients: a task that says `gradient_of=forward` is held against finite differences of the forward's reference.

The reference of such a task is a vector-Jacobian product, written by hand like any other. What makes it right is not
its author's calculus but this check, which runs when the task is registered.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kparity import dtypes
from kparity.errors import SpecError
from kparity.inputs import generate, stream
from kparity.oracle import evaluate_reference, widen
from kparity.signature import CaseTemplate, TensorSpec
from kparity.spec import KernelSpec

if TYPE_CHECKING:
    from kparity.case import Case

_LARGEST = 1 << 16
_EPS = float(np.finfo(np.float64).eps)
_STEP = _EPS ** (1 / 3)
_ROUNDINGS = 64


def check_gradient(spec: KernelSpec) -> None:
    """Hold a gradient task against its forward task: the signature, then the values, in float64.

    The signature. The inputs are the forward's, in order, and then one cotangent `d<output>` for each of its
    floating-point outputs; the outputs are `d<input>` for one or more of its floating-point inputs. Axes, dtype
    variables, attributes and their defaults are the forward's.

    The values, on every case of up to 2^16 elements in the first choice of dtypes. With the forward F, inputs x,
    cotangents u and gradient g = (dF/dx)^T u, the identity <u, (dF/dx) v> = <g, v> holds for every direction v. Its
    left side is the central difference (f(h) - f(-h)) / 2h of f(h) = <u, F(x + h v)>; v moves one input at a time and
    is normal, with that input's root mean square; an error in any element of g shows, but for a chance of measure zero.
    Source: the dot-product test of adjoint codes, Griewank and Walther, "Evaluating Derivatives" (2nd ed., 2008).

    The step is h = eps^(1/3) = 6.1e-6, where the rounding error of f, of the order of eps |f| / h, is as large as what
    the difference leaves out, h^2 |f'''| / 6. Source: Press et al., "Numerical Recipes" (3rd ed., 2007), section 5.7.
    The sides may differ by three terms: 64 eps / h times the sum of the magnitudes |u F|, for the rounding; the change
    of the difference when h doubles, which is three times what the difference leaves out, as long as the forward is
    smooth; and sqrt(eps) times the sum of the magnitudes |g v|, for the rounding of g. None of them depends on how
    wrong g is.

    Nothing is done for a task that is no gradient.

    Raises:
        SpecError: the signature departs from the forward's, or a gradient disagrees; it is named, with the case.
    """
    if spec.gradient_of is None:
        return
    _check_signature(spec, spec.gradient_of)
    first = {variable: choices[0] for variable, choices in spec.dtypes.items()}
    small = [case for case in spec.cases() if case.dtypes == first and case.elements <= _LARGEST]
    if not small:
        raise SpecError(
            f"spec {spec.name!r}: every case has more than {_LARGEST:,} elements; declare a smaller one, so that the "
            f"gradient of {spec.gradient_of.name!r} can be checked at registration"
        )
    for case in small:
        _check_values(spec, spec.gradient_of, case)


def _check_signature(spec: KernelSpec, forward: KernelSpec) -> None:
    where = f"spec {spec.name!r}, the gradient of {forward.name!r}"
    floats_in = {name: one for name, one in forward.inputs.items() if _is_float(forward, one)}
    floats_out = {name: one for name, one in forward.outputs.items() if _is_float(forward, one)}
    wanted = {**forward.inputs, **{f"d{name}": one for name, one in floats_out.items()}}
    if list(spec.inputs) != list(wanted):
        raise SpecError(
            f"{where}: inputs are {list(spec.inputs)}, expected the forward's and its cotangents {list(wanted)}"
        )
    gradients = {f"d{name}": one for name, one in floats_in.items()}
    unknown = [name for name in spec.outputs if name not in gradients]
    if unknown:
        raise SpecError(f"{where}: output {unknown[0]!r} is no gradient of an input; possible are {list(gradients)}")
    for name, one in (*spec.inputs.items(), *spec.outputs.items()):
        expected = wanted.get(name) or gradients[name]
        if _notation(one) != _notation(expected):
            raise SpecError(
                f"{where}: {name!r} is {_notation(one)!r}, expected {_notation(expected)!r} as in the forward"
            )
    if dict(spec.attributes) != dict(forward.attributes):
        raise SpecError(
            f"{where}: attributes are {dict(spec.attributes)}, expected {dict(forward.attributes)} as in the forward"
        )


def _is_float(spec: KernelSpec, one: TensorSpec) -> bool:
    return dtypes.is_float(spec.dtypes.get(one.dtype, (one.dtype,))[0])


def _notation(one: TensorSpec) -> str:
    return f"{' '.join(axis.text.replace(' ', '') for axis in one.axes)} : {one.dtype}"


def _check_values(spec: KernelSpec, forward: KernelSpec, case: Case) -> None:
    drawn = [
        widen(array, info.dtype, "float64") for array, info in zip(generate(spec, case, 0), case.inputs, strict=True)
    ]
    names = list(forward.inputs)
    inputs = dict(zip(names, drawn, strict=False))
    cotangents = {info.name: array for info, array in zip(case.inputs[len(names) :], drawn[len(names) :], strict=True)}
    forward_case = forward.bind(CaseTemplate(case.role, {**case.axes, **case.attributes}), case.dtypes)
    gradients = evaluate_reference(spec, case, tuple(drawn))

    def pulled(name: str, move: np.ndarray) -> tuple[float, float]:
        """<u, F(x + move)>, where the input `name` moves, and the sum of the magnitudes of its terms."""
        moved = {**inputs, name: inputs[name] + move}
        outputs = evaluate_reference(forward, forward_case, tuple(moved.values()))
        terms = [
            cotangents[f"d{info.name}"] * value
            for info, value in zip(forward_case.outputs, outputs, strict=True)
            if f"d{info.name}" in cotangents
        ]
        return math.fsum(float(np.sum(one)) for one in terms), sum(float(np.sum(np.abs(one))) for one in terms)

    for info, gradient in zip(case.outputs, gradients, strict=True):
        if gradient.size == 0:
            continue
        name = info.name[1:]
        size = float(np.sqrt(np.mean(inputs[name] ** 2))) or 1.0
        direction = stream(0, "direction", case.task, case.key, name).standard_normal(info.shape) * size
        (up, magnitude), (down, _) = pulled(name, _STEP * direction), pulled(name, -_STEP * direction)
        (far_up, _), (far_down, _) = pulled(name, 2 * _STEP * direction), pulled(name, -2 * _STEP * direction)
        difference, coarser = (up - down) / (2 * _STEP), (far_up - far_down) / (4 * _STEP)
        product = float(np.sum(gradient * direction))
        allowed = (
            _ROUNDINGS * _EPS / _STEP * magnitude
            + abs(coarser - difference)
            + math.sqrt(_EPS) * float(np.sum(np.abs(gradient * direction)))
        )
        if not abs(product - difference) <= allowed:  # NaN must not pass
            raise SpecError(
                f"spec {spec.name!r}, case {case.key}: {info.name!r} is not the gradient of {forward.name!r} with "
                f"respect to {name!r}: along a random direction it gives {product:.9g}, finite differences give "
                f"{difference:.9g} +- {allowed:.2g}"
            )
