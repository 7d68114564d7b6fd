"""OpenCL C as a language of kernels: one `.cl` file a task, with a comment for each launch.

    // kparity: launch softmax global=64*rows local=64

The kernel takes the task's inputs and then its outputs, all as global pointers. Extents are axis expressions over the
case's axes, one to three, separated by commas. In the code

* each dtype variable is a type: `T` as it is stored, `T_value` as it is computed with, and `load_T(p, i)`,
  `store_T(p, i, v)` between the two: half and bfloat16 are stored alone, and rounded to nearest even,
* axes and attributes are macros in capitals: `ROWS`, `EPS`; `approximate="tanh"` is `APPROXIMATE_TANH`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kparity import CandidateError, Case, Expression, SpecError

_PLAIN = {
    "float64": "double",
    "float32": "float",
    **{f"{sign}int{bits}": f"{sign}{name}" for sign in ("", "u") for bits, name in
       ((64, "long"), (32, "int"), (16, "short"), (8, "char"))},
}  # fmt: skip
_NARROW = {
    "float16": ("half", "vload_half(i, p)", "vstore_half_rte(v, i, p)"),
    "bfloat16": (
        "ushort",
        "as_float((uint)p[i] << 16)",
        "p[i] = isnan(v) ? 0x7fc0 : (as_uint(v) + 0x7fff + (as_uint(v) >> 16 & 1)) >> 16",
    ),
}
DTYPES = (*_PLAIN, *_NARROW)
"""What kernels can be compiled for; `float64` where the device has it."""

_INCLUDE = str(Path(__file__).parent / "include")
"""Where `#include "group.h"` finds its file."""

_LAUNCH = re.compile(r"^\s*//\s*kparity:\s*launch\s+(?P<name>\w+)\s+global=(?P<g>.+?)(?:\s+local=(?P<l>.+?))?\s*$")
_EXAMPLE = "// kparity: launch softmax global=64*rows local=64"


@dataclass(frozen=True)
class Launch:
    """One launch, as written on line `line`; without `local`, the driver chooses the work-groups."""

    line: int
    kernel: str
    over: tuple[Expression, ...]
    local: tuple[Expression, ...]

    def extents(self, values: Mapping[str, object]) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """Global and local extents of a case.

        Raises:
            CandidateError: an expression names what the case does not have, or gives no extent.
        """
        try:
            over, local = (tuple(one.extent(values) for one in side) for side in (self.over, self.local))
        except SpecError as error:
            raise CandidateError(str(error), self.line) from error
        return over, local or None


@dataclass(frozen=True)
class OpenCLSource:
    """The text of a `.cl` file and its launches, in order."""

    text: str
    launches: tuple[Launch, ...]

    @classmethod
    def parse(cls, text: str, entry_point: str) -> OpenCLSource:
        """Read the launch comments.

        Raises:
            CandidateError: there is none, one launches what the text does not define, or none launches `entry_point`.
        """
        launches = tuple(
            Launch(number, match["name"], _expressions(match["g"], number), _expressions(match["l"] or "", number))
            for number, line in enumerate(text.splitlines(), 1)
            if (match := _LAUNCH.match(line))
        )
        if not launches:
            raise CandidateError(f"nothing says how to launch this kernel; add a line such as {_EXAMPLE!r}")
        for launch in launches:
            if not re.search(rf"\bkernel\b[^;{{]*\b{launch.kernel}\s*\(", text):
                raise CandidateError(f"no kernel {launch.kernel!r} is defined", launch.line)
        if entry_point not in (launch.kernel for launch in launches):
            raise CandidateError(f"no kernel {entry_point!r} is launched", launches[0].line)
        return cls(text, launches)

    def build(self, context: Any, case: Case) -> list[tuple[Any, tuple[int, ...], tuple[int, ...] | None]]:
        """Compile for `case`: each kernel with its global and local extents, in the order of launches.

        Raises:
            CandidateError: the compiler's first error, with its line.
        """
        import pyopencl as cl

        try:
            program = build(context, self.unit(case))
        except cl.RuntimeError as error:
            first = re.search(r":(\d+):\d+: (?:fatal )?error: (.*)", str(error))
            raise CandidateError(first[2] if first else str(error), int(first[1]) if first else None) from error
        return [(cl.Kernel(program, one.kernel), *one.extents(case.axes)) for one in self.launches]

    def unit(self, case: Case) -> str:
        """What to compile for `case`: its types and constants, then the text with its own line numbers."""
        parts = [_type(variable, dtype) for variable, dtype in case.dtypes.items()]
        parts += [f"#define {name.upper()} {value}" for name, value in case.axes.items()]
        parts += [_constant(name.upper(), value) for name, value in case.attributes.items()]
        return "\n".join([*parts, "#line 1", self.text])


def build(context: Any, text: str) -> Any:
    """Compile OpenCL C. Without PyOpenCL's warning that the compiler said something: it always does.

    Raises:
        pyopencl.RuntimeError: with what the compiler said.
    """
    import pyopencl as cl

    with warnings.catch_warnings(action="ignore", category=cl.CompilerWarning):
        return cl.Program(context, text).build(["-I", _INCLUDE])


def _type(name: str, dtype: str) -> str:
    plain = _PLAIN.get(dtype, "")
    stored, load, store = (plain, "p[i]", "p[i] = v") if plain else _NARROW[dtype]
    value = plain or "float"
    return (
        f"typedef {stored} {name}; typedef {value} {name}_value;\n"
        f"{value} load_{name}(global const {stored} *p, size_t i) {{ return {load}; }}\n"
        f"void store_{name}(global {stored} *p, size_t i, {value} v) {{ {store}; }}"
    )


def _constant(name: str, value: bool | int | float | str) -> str:
    if isinstance(value, str):
        return f"#define {name}_{value.upper()} 1"
    return f"#define {name} {value!r}f" if isinstance(value, float) else f"#define {name} ({int(value)})"


def _expressions(text: str, line: int) -> tuple[Expression, ...]:
    try:
        return tuple(Expression(part) for part in text.split(",")) if text else ()
    except SpecError as error:
        raise CandidateError(str(error), line) from error
