"""Kernel specs: a task is a decorated NumPy function.

The reference *is* the spec: its positional parameters are the inputs, its parameters with defaults are the attributes,
its docstring is the description. Everything is checked when the decorator runs, so a spec that exists is consistent.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kparity import dtypes as dt
from kparity.axes import Expression
from kparity.case import ROLES, ArrayInfo, AttributeValue, Case, Role
from kparity.comparators import Comparator
from kparity.distributions import integers, normal
from kparity.errors import SpecError, UnknownNameError
from kparity.independence import Independent
from kparity.patterns import Hunting
from kparity.shapes import Constraint, parse_axes
from kparity.signature import CaseTemplate, Numerics, TensorSpec, tensor

Reference = Callable[..., Any]


@dataclass(frozen=True)
class KernelSpec:
    """What is to be computed. Build it with `kernel_spec`.

    Attributes:
        name: `category/name`, unique in the catalogue.
        reference: the decorated function; computes in whatever precision its inputs have.
        inputs, outputs: declarations in order.
        attributes: keyword parameters of the reference with their defaults.
        dtypes: allowed dtype names for each dtype variable, the first being the default.
        templates: the declared cases.
        numerics: the numerics contract.
        variants: further honest formulations of the reference, whose float32 rounding errors an implementation may
            make too; never the oracle.
        gradient_of: the task whose gradient this one computes, if it is one; see `kparity.gradients`.
        honest: realizations that must pass although they are no part of the bound; see `kparity check-tasks`.
        mutants: wrong realizations of the spec's own that must fail.
        axes: what fresh shapes may be drawn from; None derives it from the declared cases.
        hunting: limits on adversarial inputs.
        target: `"package.module:attribute"` where this spec can be imported from.
        independent: axes along which outputs do not depend on each other; None where they hang together.
        compare: how outputs are compared that are not held to the bound, by name; see `kparity.comparators`.
        strided: inputs that may arrive with other strides than a contiguous array's.
    """

    name: str
    reference: Reference
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    attributes: Mapping[str, AttributeValue]
    dtypes: Mapping[str, tuple[str, ...]]
    templates: tuple[CaseTemplate, ...]
    flops: Expression | None
    bytes: Expression | None
    numerics: Numerics
    variants: tuple[Reference, ...]
    gradient_of: KernelSpec | None
    honest: tuple[Reference, ...]
    mutants: tuple[Reference, ...]
    axes: Mapping[str, Constraint] | None
    hunting: Hunting
    target: str
    independent: Independent | None = None
    compare: Mapping[str, Comparator] = field(default_factory=dict)
    strided: tuple[str, ...] = ()
    _cases: tuple[Case, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_declaration(self)
        cases = tuple(self.bind(template, combination) for template in self.templates for combination in self._dtypes())
        object.__setattr__(self, "_cases", cases)

    @property
    def category(self) -> str:
        """The part of the name before the slash."""
        return self.name.partition("/")[0]

    @property
    def description(self) -> str:
        """The reference's docstring."""
        return inspect.getdoc(self.reference) or ""

    @property
    def signature(self) -> str:
        """The calling convention in one line, e.g. `softmax(x) -> y`."""
        parameters = [*self.inputs, *(f"{name}={value!r}" for name, value in self.attributes.items())]
        return f"{self.entry_point}({', '.join(parameters)}) -> {', '.join(self.outputs)}"

    @property
    def entry_point(self) -> str:
        """The function name that a candidate's source text must define."""
        return self.name.partition("/")[2]

    def cases(self, *, roles: Iterable[Role] = ROLES, dtypes: Iterable[str] | None = None) -> tuple[Case, ...]:
        """The bound cases, in declaration order, dtypes innermost.

        Args:
            roles: keep only these roles.
            dtypes: keep only cases all of whose dtype variables are bound to one of these.
        """
        wanted_roles = set(roles)
        wanted = None if dtypes is None else set(dtypes)
        return tuple(
            case
            for case in self._cases
            if case.role in wanted_roles and (wanted is None or set(case.dtypes.values()) <= wanted)
        )

    def bind(self, template: CaseTemplate, dtypes: Mapping[str, str]) -> Case:
        """Bind a template and a dtype for each variable into a `Case`.

        Raises:
            SpecError: an axis is missing, unknown or contradicts a declared shape.
        """
        where = f"spec {self.name!r}, case {template.role}({_format(template.bindings)})"
        names = self.axis_names
        unknown = sorted(set(template.bindings) - set(names) - set(self.attributes))
        if unknown:
            raise SpecError(f"{where}: unknown axis {unknown[0]!r}; axes: {list(names)}, {list(self.attributes)}")
        missing = [name for name in names if name not in template.bindings]
        if missing:
            raise SpecError(f"{where}: axis {missing[0]!r} is not bound; axes: {list(names)}")
        axes = {name: template.bindings[name] for name in names}
        for name, value in axes.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise SpecError(f"{where}: axis {name!r} is {value!r}; expected an integer >= 0")
        attributes = {name: template.bindings.get(name, default) for name, default in self.attributes.items()}
        values: dict[str, Any] = {**axes, **attributes}
        try:
            inputs = tuple(_array(name, spec, values, dtypes) for name, spec in self.inputs.items())
            outputs = tuple(_array(name, spec, values, dtypes) for name, spec in self.outputs.items())
            flops = None if self.flops is None else int(self.flops.evaluate(values))
            override = None if self.bytes is None else int(self.bytes.evaluate({**values, **_itemsizes(dtypes)}))
        except SpecError as error:
            raise SpecError(f"{where}: {error}") from error
        traffic = sum(array.nbytes for array in (*inputs, *outputs)) if override is None else override
        special = {name: value for name, value in attributes.items() if value != self.attributes[name]}
        return Case(
            task=self.name,
            key=",".join(f"{name}={value}" for name, value in {**axes, **special, **dtypes}.items()),
            role=template.role,
            axes={name: int(value) for name, value in axes.items()},
            dtypes=dict(dtypes),
            attributes=attributes,
            inputs=inputs,
            outputs=outputs,
            flops=flops,
            bytes=traffic,
        )

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Axes that a case must bind: every name in the declared shapes that is not an attribute."""
        found: dict[str, None] = {}
        for spec in (*self.inputs.values(), *self.outputs.values()):
            for axis in spec.axes:
                ordered = [axis.text] if axis.is_name else sorted(axis.names)
                found.update(dict.fromkeys(name for name in ordered if name not in self.attributes))
        return tuple(found)

    def bound(self, template: CaseTemplate, dtypes: Iterable[str] = ()) -> tuple[Case, ...]:
        """A case that was not declared, made by `edge`, `typical` or `perf`, in every dtype or in those named.

        Raises:
            SpecError: as `bind`.
        """
        wanted = set(dtypes)
        cases = (self.bind(template, combination) for combination in self._dtypes())
        return tuple(case for case in cases if not wanted or set(case.dtypes.values()) <= wanted)

    def _dtypes(self) -> list[dict[str, str]]:
        return [dict(zip(self.dtypes, choice, strict=True)) for choice in itertools.product(*self.dtypes.values())]


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


def _check_declaration(spec: KernelSpec) -> None:
    where = f"spec {spec.name!r}"
    category, slash, short = spec.name.partition("/")
    if not slash or not category.isidentifier() or not short.isidentifier():
        raise SpecError(f"{where}: the name must be 'category/name', both Python identifiers")
    if not spec.inputs or not spec.outputs:
        raise SpecError(f"{where}: at least one input and one output are needed")
    if not spec.templates:
        raise SpecError(f"{where}: declare at least one case with edge(), typical() or perf()")
    if not spec.description:
        raise SpecError(f"{where}: the reference needs a docstring; it is the task's description")
    for variable, choices in spec.dtypes.items():
        if not choices:
            raise SpecError(f"{where}: dtype variable {variable!r} allows no dtype")
        for choice in choices:
            if choice not in dt.NAMES:
                raise SpecError(f"{where}: {UnknownNameError('dtype', choice, dt.NAMES)}")
    for name, declared in (*spec.inputs.items(), *spec.outputs.items()):
        if declared.dtype not in spec.dtypes and declared.dtype not in dt.NAMES:
            known = [*spec.dtypes, *dt.NAMES]
            raise SpecError(f"{where}: {name!r} has {UnknownNameError('dtype', declared.dtype, known)}")
    for name in spec.compare:
        if name not in spec.outputs:
            raise SpecError(f"{where}: compare= has {UnknownNameError('output', name, spec.outputs)}")
    for place, name in enumerate(spec.strided):
        if name not in spec.inputs:
            raise SpecError(f"{where}: strided= has {UnknownNameError('input', name, spec.inputs)}")
        if not spec.inputs[name].axes:
            raise SpecError(f"{where}: strided= names {name!r}, which has no axes, hence no strides; leave it out")
        if name in spec.strided[:place]:
            raise SpecError(f"{where}: strided= names {name!r} twice; once is enough")
    if spec.independent is not None:
        try:
            spec.independent.check(spec.inputs, spec.outputs)
        except SpecError as error:
            raise SpecError(f"{where}: {error}") from error
    try:
        spec.hunting.check(tuple(spec.inputs), tuple(spec.axes or (*spec.axis_names, *spec.attributes)))
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from error
    missing = [name for name in spec.axis_names if spec.axes is not None and name not in spec.axes]
    if missing:
        raise SpecError(f"{where}: axes leaves axis {missing[0]!r} out; expected {list(spec.axis_names)}")
    both = sorted(set(spec.inputs) & set(spec.attributes))
    if both:
        raise SpecError(f"{where}: {both[0]!r} is both an input and an attribute")
    seen: set[str] = set()
    for template in spec.templates:
        key = _format(dict(sorted({**spec.attributes, **template.bindings}.items())))
        if key in seen:
            raise SpecError(f"{where}: case ({key}) is declared twice")
        seen.add(key)


def _array(name: str, spec: TensorSpec, values: Mapping[str, Any], dtypes: Mapping[str, str]) -> ArrayInfo:
    try:
        shape = tuple(axis.extent(values) for axis in spec.axes)
    except SpecError as error:
        raise SpecError(f"{name!r}: {error}") from error
    return ArrayInfo(name, shape, dtypes.get(spec.dtype, spec.dtype))


def _itemsizes(dtypes: Mapping[str, str]) -> dict[str, int]:
    return {f"sizeof_{variable}": dt.dtype(name).itemsize for variable, name in dtypes.items()}


def _format(bindings: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in bindings.items())
