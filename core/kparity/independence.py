"""Along which axes a task falls apart into problems of their own: what lets a judge examine a part of a large case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kparity.errors import SpecError

if TYPE_CHECKING:
    from kparity.signature import TensorSpec

Needs = Callable[..., Sequence[np.ndarray]]


@dataclass(frozen=True)
class Independent:
    """Outputs at some indices along `axes` depend on nothing but the inputs at the same indices.

    Attributes:
        axes: names that every output carries, each as a dimension of its own. Inputs that carry one are cut along it,
            others are needed whole.
        needs: says otherwise which inputs are needed. Called as `needs(chosen, *inputs, **attributes)`, with the sorted
            indices for each axis in `chosen`; returns the inputs on which the reference gives the chosen outputs.
        contiguous: the indices are chosen without gaps: `needs` is called once for each of many small blocks.
    """

    axes: tuple[str, ...]
    needs: Needs | None = None
    contiguous: bool = False

    @classmethod
    def of(cls, declared: str | Sequence[str] | Independent | None) -> Independent | None:
        """What a spec wrote: an axis, several, or an `Independent`; None stays None."""
        if declared is None or isinstance(declared, Independent):
            return declared
        return cls((declared,) if isinstance(declared, str) else tuple(declared))

    def check(self, inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec]) -> None:
        """Hold the axes against the shapes.

        Raises:
            SpecError: an output lacks an axis, carries it twice, or an axis stands inside an expression.
        """
        if not self.axes:
            raise SpecError("independent= names no axis; leave it out where outputs hang together")
        for axis in self.axes:
            for name, spec in outputs.items():
                if axes_of(spec).count(axis) != 1:
                    raise SpecError(f"independent axis {axis!r} must be one dimension of output {name!r}")
            for name, spec in (*inputs.items(), *outputs.items()):
                inside = [one.text for one in spec.axes if not one.is_name and axis in one.names]
                if inside and self.needs is None:
                    raise SpecError(
                        f"independent axis {axis!r} stands inside {inside[0]!r} of {name!r}; say with "
                        "Independent(axes, needs=function) which inputs the chosen outputs need"
                    )

    def restrict(
        self,
        inputs: Sequence[np.ndarray],
        declared: Mapping[str, TensorSpec],
        chosen: Mapping[str, np.ndarray],
        attributes: Mapping[str, Any],
    ) -> tuple[np.ndarray, ...]:
        """The inputs on which the reference gives the chosen outputs."""
        if self.needs is not None:
            return tuple(np.ascontiguousarray(array) for array in self.needs(chosen, *inputs, **attributes))
        return tuple(
            np.ascontiguousarray(take(array, spec, chosen))
            for array, spec in zip(inputs, declared.values(), strict=True)
        )


def axes_of(spec: TensorSpec) -> list[str | None]:
    """The axis that each dimension is, None where it is an expression."""
    return [axis.text if axis.is_name else None for axis in spec.axes]


def take(array: np.ndarray, spec: TensorSpec, chosen: Mapping[str, np.ndarray]) -> np.ndarray:
    """`array` at the chosen indices of each axis that it carries."""
    for dimension, axis in enumerate(axes_of(spec)):
        if axis is not None and axis in chosen:
            array = np.take(array, chosen[axis], axis=dimension)
    return array
