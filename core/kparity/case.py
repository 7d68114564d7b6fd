"""A case: one concrete binding of a task's axes, dtypes and attributes. Plain data, free of any framework.

It is all that a backend, a worker process or a record needs to know of a task: what goes in, what comes out, and how
much work that is. It holds neither the reference nor the seed.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from kparity import dtypes

Role = Literal["edge", "typical", "perf"]
ROLES: tuple[Role, ...] = ("edge", "typical", "perf")
AttributeValue = bool | int | float | str


class Layout(msgspec.Struct, frozen=True):
    """How an input lies in a larger memory; everything is counted in elements.

    Attributes:
        strides: from one element to the next along each axis; at least 1, and no two elements share a place.
        offset: what lies before the first element.
        extent: of the whole memory.
    """

    strides: tuple[int, ...]
    offset: int
    extent: int


class ArrayInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Name, shape and dtype of one input or output.

    Attributes:
        layout: of an input that is not simply contiguous; see `kparity.layouts`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: Layout | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the contiguous array."""
        return self.size * dtypes.dtype(self.dtype).itemsize

    def __str__(self) -> str:
        text = f"{self.dtype}[{', '.join(map(str, self.shape))}]"
        return text if self.layout is None else f"{text} strides {self.layout.strides} offset {self.layout.offset}"


class Case(msgspec.Struct, frozen=True, omit_defaults=True):
    """One concrete problem.

    Attributes:
        task: the spec's name.
        key: identity within the task, e.g. `rows=3,cols=1023,T=float16`; attributes where they differ from the default.
        role: `edge`, `typical` or `perf`.
        axes: lengths by axis name.
        dtypes: dtype names by dtype variable.
        attributes: every attribute's value, defaults included.
        inputs, outputs: in the order of the signature.
        flops: arithmetic operations, from the spec's formula; None where it gives none.
        bytes: compulsory traffic: every input read once and every output written once, unless the spec overrides it.
        pattern: how the inputs hunt, see `kparity.patterns`; empty where they are drawn as the spec declares.
    """

    task: str
    key: str
    role: Role
    axes: dict[str, int]
    dtypes: dict[str, str]
    attributes: dict[str, AttributeValue]
    inputs: tuple[ArrayInfo, ...]
    outputs: tuple[ArrayInfo, ...]
    flops: int | None
    bytes: int
    pattern: str = ""

    @property
    def strided(self) -> tuple[str, ...]:
        """Names of the inputs that do not simply lie contiguous from the beginning of their memory."""
        return tuple(one.name for one in self.inputs if one.layout is not None)

    @property
    def elements(self) -> int:
        """Elements of all inputs and outputs together: a measure of size that needs no hardware."""
        return sum(array.size for array in (*self.inputs, *self.outputs))

    def disguised(self) -> Case:
        """The same problem with nothing that tells a kernel which one it is: no key, no role, no pattern."""
        return msgspec.structs.replace(self, key="", role="typical", pattern="")

    def describe(self) -> str:
        """The arrays in one line, e.g. `x float16[3, 1023] -> y float16[3, 1023]`."""
        left = ", ".join(f"{array.name} {array}" for array in self.inputs)
        right = ", ".join(f"{array.name} {array}" for array in self.outputs)
        return f"{left} -> {right}"
