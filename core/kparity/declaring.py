"""The decorator that makes a kernel spec: a task is a decorated NumPy function.

The reference *is* the spec: its positional parameters are the inputs, its parameters with defaults are the attributes,
its docstring is the description.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence

from kparity import dtypes as dt
from kparity.axes import Expression
from kparity.case import AttributeValue
from kparity.comparators import Comparator
from kparity.distributions import integers, normal
from kparity.errors import SpecError
from kparity.independence import Independent
from kparity.patterns import Hunting
from kparity.shapes import parse_axes
from kparity.signature import CaseTemplate, Numerics, TensorSpec, tensor
from kparity.spec import KernelSpec, Reference


def kernel_spec(
    name: str,
    *,
    inputs: Mapping[str, str | TensorSpec],
    outputs: Mapping[str, str | TensorSpec],
    cases: Sequence[CaseTemplate],
    dtypes: Mapping[str, Sequence[str]] | None = None,
    flops: str | None = None,
    bytes: str | None = None,
    numerics: Numerics | None = None,
    variants: Sequence[Reference] = (),
    independent: str | Sequence[str] | Independent | None = None,
    compare: Mapping[str, Comparator] | None = None,
    gradient_of: KernelSpec | None = None,
    honest: Sequence[Reference] = (),
    mutants: Sequence[Reference] = (),
    axes: Mapping[str, range | Sequence[AttributeValue] | str] | None = None,
    hunting: Hunting | None = None,
    strided: str | Sequence[str] = (),
) -> Callable[[Reference], KernelSpec]:
    """Turn a NumPy reference into a `KernelSpec`.

    Args:
        name: `category/name`.
        inputs: notation (`"rows cols : T"`) or `tensor(notation, distribution)` for each positional parameter.
        outputs: the same for each returned array, in order.
        cases: made by `edge`, `typical` and `perf`.
        dtypes: allowed names for each dtype variable.
        flops: axis expression for the number of arithmetic operations.
        bytes: axis expression that overrides the traffic that follows from the signature; may use `sizeof_T`.
        numerics: the numerics contract; float32 accumulation by default.
        variants: other formulations of the same function that people honestly use, with the reference's parameters,
            e.g. `1 + erf(x)` where the reference uses `erfc(-x)`; they widen the bound by the rounding that they make.
        independent: an axis, or several, along which each slice of the outputs depends only on the same slice of the
            inputs that carry the axis; inputs without it are needed whole. Large cases are then judged on a secret
            sample of slices. An `Independent` says it for tasks whose inputs are not simply cut.
        gradient_of: the forward task, where the reference is its vector-Jacobian product: the inputs are the
            forward's and one cotangent `d<output>` for each of its floating-point outputs, the outputs are `d<input>`.
            The catalogue holds it against finite differences (`kparity.gradients.check_gradient`).
        compare: a comparator of `kparity.comparators` for each output whose values are not continuous: indices, sets,
            steps, any order, random draws.
        honest: realizations with the reference's parameters that must pass and do not widen the bound, such as an
            online softmax: `kparity check-tasks` holds the bound against them.
        mutants: wrong realizations with the reference's parameters that must fail, besides the generic ones.
        axes: for fresh shapes: by axis, attribute or helper name a range of lengths, a choice of values, or an
            expression over the names before it. Axes that cases bind freely are found by themselves where this is None.
        hunting: which adversarial inputs make no sense here, and further ones.
        strided: an input, or several, that may arrive with any strides and any alignment: columns of a wider array, a
            transposed view, every second element. Kernels must honour the strides; hunting cases show whether they do.

    Raises:
        SpecError: the declaration contradicts itself, or the reference contradicts the declaration.
    """

    def decorate(reference: Reference) -> KernelSpec:
        try:
            parsed_inputs = {key: _tensor(value, is_input=True) for key, value in inputs.items()}
            parsed_outputs = {key: _tensor(value, is_input=False) for key, value in outputs.items()}
            parsed_flops = None if flops is None else Expression(flops)
            parsed_bytes = None if bytes is None else Expression(bytes)
            parsed_axes = None if axes is None else parse_axes(axes)
        except SpecError as error:
            raise SpecError(f"spec {name!r}: {error}") from error
        parameters = inspect.signature(reference).parameters.values()
        positional = [p.name for p in parameters if p.default is inspect.Parameter.empty]
        if positional != list(inputs):
            raise SpecError(
                f"spec {name!r}: the reference takes {positional} but inputs declares {list(inputs)}; "
                "name every input, in order, and give attributes a default"
            )
        return KernelSpec(
            name=name,
            reference=reference,
            inputs=parsed_inputs,
            outputs=parsed_outputs,
            attributes={p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty},
            dtypes={key: tuple(value) for key, value in (dtypes or {}).items()},
            templates=tuple(cases),
            flops=parsed_flops,
            bytes=parsed_bytes,
            numerics=numerics or Numerics(),
            variants=tuple(variants),
            gradient_of=gradient_of,
            honest=tuple(honest),
            mutants=tuple(mutants),
            axes=parsed_axes,
            hunting=hunting or Hunting(),
            target=f"{reference.__module__}:{reference.__qualname__}",
            independent=Independent.of(independent),
            compare=dict(compare or {}),
            strided=(strided,) if isinstance(strided, str) else tuple(strided),
        )

    return decorate


def _tensor(value: str | TensorSpec, *, is_input: bool) -> TensorSpec:
    spec = tensor(value) if isinstance(value, str) else value
    if is_input and spec.distribution is None:
        is_integer = spec.dtype in dt.NAMES and not dt.is_float(spec.dtype)
        return TensorSpec(spec.axes, spec.dtype, integers() if is_integer else normal())
    return spec
