"""A candidate that is nothing but a `.cu` file says in comments how to launch it, one line for each launch, in order:

    // kparity: launch softmax_rows<T, 4> grid=rows block=256 shared=4*cols args=x,y,cols

`grid` and `block` have one to three extents, `args` the kernel's arguments, all separated by commas. Extents and
scalar arguments are axis expressions (`kparity.axes`) over the case's axes, its attributes and `sizeof_T` for each
dtype variable T; arrays are named as the task's inputs and outputs are. `shared`, in bytes, may be left out. An input
that a hunting case lays out with strides is handed over as a contiguous copy, since directives know no strides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kparity import CandidateError, SpecError, dtypes
from kparity.axes import Expression, split_axes
from kparity_cuda.kernel import CudaKernel, Launcher

_DIRECTIVE = re.compile(r"^\s*//\s*kparity:\s*(?P<text>.*?)\s*$")
_LAUNCH = re.compile(r"launch\s+(?P<name>\w+(?:\s*<.*?>)?)\s+(?P<fields>\w+\s*=.*)$")
_FIELD = re.compile(r"(\w+)\s*=\s*(.*?)(?=\s+\w+\s*=|$)")
_EXAMPLE = "// kparity: launch my_kernel<T> grid=rows block=256 args=x,y,cols"


@dataclass(frozen=True)
class Directive:
    """One launch, as written on line `line` of the source."""

    line: int
    name: str
    grid: tuple[Expression, ...]
    block: tuple[Expression, ...]
    shared: Expression
    args: tuple[Expression, ...]

    def run(self, launch: Launcher, arrays: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Launch with these arrays and values by name.

        Raises:
            CandidateError: an expression names what the case does not have, or gives no extent.
        """
        try:
            grid = [axis.extent(values) for axis in self.grid]
            block = [axis.extent(values) for axis in self.block]
            shared = self.shared.extent(values)
            args = [arrays[arg.text] if arg.text in arrays else arg.evaluate(values) for arg in self.args]
        except SpecError as error:
            raise CandidateError(f"{error}; arrays: {sorted(arrays)}", self.line) from error
        launch(self.name, grid, block, args, shared)


def kernel_from(source: str) -> CudaKernel:
    """The kernel that a `.cu` source with launch directives describes.

    Raises:
        CandidateError: with the line, where a directive is missing or malformed.
    """
    lines = source.splitlines()
    found = [(number, match) for number, line in enumerate(lines, 1) if (match := _DIRECTIVE.match(line))]
    if not found:
        first = next(number for number, line in enumerate(lines, 1) if "__global__" in line)
        raise CandidateError(f"nothing says how to launch this kernel; add a line such as {_EXAMPLE!r}", first)
    directives = [_parse(match["text"], number, source) for number, match in found]

    def host(launch: Launcher, *arrays: Any, **attributes: Any) -> None:
        case = launch.case
        infos = (*case.inputs, *case.outputs)
        named = {
            info.name: array if info.layout is None else launch.contiguous(array)
            for info, array in zip(infos, arrays, strict=True)
        }
        sizes = {f"sizeof_{variable}": dtypes.dtype(name).itemsize for variable, name in case.dtypes.items()}
        for directive in directives:
            directive.run(launch, named, {**sizes, **case.axes, **attributes})

    return CudaKernel(source, "candidate.cu", host)


def _parse(text: str, line: int, source: str) -> Directive:
    match = _LAUNCH.fullmatch(text)
    if match is None:
        raise CandidateError(f"malformed directive {text!r}; expected something like {_EXAMPLE!r}", line)
    fields = dict(_FIELD.findall(match["fields"]))
    missing = [key for key in ("grid", "block", "args") if key not in fields]
    unknown = [key for key in fields if key not in ("grid", "block", "args", "shared")]
    if missing or unknown:
        fault = f"lacks {missing[0]}=" if missing else f"has an unknown field {unknown[0]}="
        raise CandidateError(f"directive {text!r} {fault}; fields: grid, block, args, shared", line)
    kernel = match["name"].partition("<")[0].strip()
    if not re.search(rf"\b{kernel}\s*\(", source):
        raise CandidateError(f"directive launches {kernel!r}, which the source does not define", line)
    try:
        grid, block, args = (_list(fields[key]) for key in ("grid", "block", "args"))
        shared = Expression(fields.get("shared", "0"))
    except SpecError as error:
        raise CandidateError(f"directive {text!r}: {error}", line) from error
    if not 1 <= len(grid) <= 3 or not 1 <= len(block) <= 3:
        raise CandidateError(f"directive {text!r}: grid and block take one to three extents", line)
    return Directive(line, match["name"], grid, block, shared, args)


def _list(text: str) -> tuple[Expression, ...]:
    return split_axes(text if "," in text else f"{text},")
