"""Kernel specs: what a task declares. Everything is checked at once, so that a spec that exists is consistent."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kparity import dtypes as dt
from kparity.axes import Expression
from kparity.case import ROLES, ArrayInfo, AttributeValue, Case, Role
from kparity.comparators import Comparator
from kparity.errors import SpecError, UnknownNameError
from kparity.independence import Independent
from kparity.patterns import Hunting
from kparity.shapes import Constraint
from kparity.signature import CaseTemplate, Numerics, TensorSpec

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
