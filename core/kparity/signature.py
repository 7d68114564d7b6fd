"""What a task's declaration is made of: cases, inputs and outputs in their notation, and the numerics contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kparity.axes import Expression, split_axes
from kparity.case import AttributeValue, Role
from kparity.distributions import Distribution
from kparity.errors import SpecError


@dataclass(frozen=True)
class CaseTemplate:
    """A case as a spec declares it: axes and attributes bound, dtypes open. Made by `edge`, `typical` and `perf`."""

    role: Role
    bindings: Mapping[str, AttributeValue]


def edge(**bindings: AttributeValue) -> CaseTemplate:
    """A case at a boundary: length one, a prime, one off a power of two, more rows than a grid axis holds."""
    return CaseTemplate("edge", bindings)


def typical(**bindings: AttributeValue) -> CaseTemplate:
    """A case of the size that people run every day, small enough for a CPU."""
    return CaseTemplate("typical", bindings)


def perf(**bindings: AttributeValue) -> CaseTemplate:
    """A case that fills a data-centre GPU: this is where times are compared."""
    return CaseTemplate("perf", bindings)


@dataclass(frozen=True)
class TensorSpec:
    """One input or output as declared: axes, dtype (a name or a dtype variable) and, for inputs, the distribution."""

    axes: tuple[Expression, ...]
    dtype: str
    distribution: Distribution | None = None


def tensor(notation: str, distribution: Distribution | None = None) -> TensorSpec:
    """Parse `"rows cols : T"`; the part before the colon is empty for a scalar.

    Raises:
        SpecError: the colon or the dtype is missing, or an axis expression cannot be parsed.
    """
    shape, colon, dtype = notation.partition(":")
    if not colon or not dtype.strip():
        raise SpecError(f"tensor {notation!r}: expected 'axes : dtype', for example 'rows cols : T'")
    return TensorSpec(split_axes(shape), dtype.strip(), distribution)


@dataclass(frozen=True)
class Numerics:
    """The numerics contract: which roundings an honest implementation may make.

    Attributes:
        accumulate: the precision in which sums are carried.
        storage_intermediates: intermediate results may be rounded to the storage dtype.
        tf32: float32 matrix products may round their operands to TF32.
        signed_zero: zeros must have the oracle's sign.
        subnormals: `either` allows to flush results below float32's smallest normal number, `flush` also those below
            the output dtype's own, `keep` demands them all.
    """

    accumulate: str = "float32"
    storage_intermediates: bool = False
    tf32: bool = False
    signed_zero: bool = False
    subnormals: Literal["either", "flush", "keep"] = "either"
