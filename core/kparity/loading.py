"""Implementations: how a plugin names them, and how a candidate's text becomes a function."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import Any

import msgspec

from kparity.errors import CandidateError

Function = Any
"""A realization. In Python: device arrays in (positional, in signature order), attributes as keywords, a device array
or a tuple of them out. A backend with a language of its own may make it any object: only its `compile` looks inside."""


class Implementation(msgspec.Struct, frozen=True):
    """A realization of one task on one backend; `(task, backend, name)` is unique.

    Attributes:
        target: `"package.module:attribute"`, imported only where it runs; or `"package:folder/file.cl"`, a source file
            of that package, which `Backend.load` turns into a function as it does a candidate's text. The entry point
            is the file's stem.
        owner: the distribution that registered it; filled in by the catalogue.
        costly: every case takes seconds to compile; quick coverage gives it only the cases that are timed.
    """

    task: str
    backend: str
    target: str
    name: str
    owner: str = ""
    costly: bool = False

    @property
    def label(self) -> str:
        """`backend` or, where the name says more, `backend:name`."""
        return self.backend if self.name == self.backend else f"{self.backend}:{self.name}"


def resolve(target: str) -> Any:
    """Import `"package.module:attribute"`.

    Raises:
        ImportError, AttributeError: as Python raises them.
    """
    module, _, attribute = target.partition(":")
    return functools.reduce(getattr, attribute.split("."), importlib.import_module(module))


def source_file(target: str) -> Path | None:
    """The file that a target such as `"package:folder/file.cl"` names; None for `"package.module:attribute"`.

    Nothing of the package is executed but its parents.

    Raises:
        ImportError: there is no such package.
    """
    package, _, path = target.partition(":")
    if "/" not in path:
        return None
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ImportError(f"{package!r} is no package, so that there is no file {path!r} in it")
    candidates = [Path(folder) / path for folder in found.submodule_search_locations]
    return next((one for one in candidates if one.is_file()), candidates[0])


def load_python(source: str, entry_point: str, filename: str = "<candidate>") -> Function:
    """Execute Python source text in a fresh module namespace and return its function `entry_point`.

    The text is registered with `linecache`, since decorators such as `triton.jit` read their function's source.

    Raises:
        CandidateError: a syntax error, an exception while the module runs, or no callable of that name.
    """
    import linecache
    import sys
    import types

    try:
        code = compile(source, filename, "exec")
    except SyntaxError as error:
        raise CandidateError(f"syntax error: {error.msg}", error.lineno) from error
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = types.ModuleType("kparity_candidate")
    module.__file__ = filename
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)
    except Exception as error:
        raise CandidateError(f"{type(error).__name__}: {error}", _line_in(error, filename)) from error
    function = getattr(module, entry_point, None)
    if not callable(function):
        defined = [name for name, value in vars(module).items() if inspect.isfunction(value)]
        raise CandidateError(f"defines no function {entry_point!r}; it defines {defined or 'no function'}")
    return function


def _line_in(error: BaseException, filename: str) -> int | None:
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def kernels_in(package: str, folder: str, backend: str, name: str, suffix: str = ".py") -> list[Implementation]:
    """The implementations of a plugin that keeps one file for each task, found by listing, not by importing.

    Args:
        package: dotted name of the package that holds the kernels, e.g. `"kparity_triton.kernels"`.
        folder: its path; holds `<category>/<task>.py`, each defining a function called `<task>`.
        backend: name of the backend that they are for.
        name: name of each implementation.
        suffix: of another language than Python: files that `Backend.load` takes as they are.
    """
    return [
        Implementation(
            task=f"{path.parent.name}/{path.stem}",
            backend=backend,
            target=(
                f"{package}.{path.parent.name}.{path.stem}:{path.stem}"
                if suffix == ".py"
                else f"{package}:{path.parent.name}/{path.name}"
            ),
            name=name,
        )
        for path in sorted(Path(folder).glob(f"*/*{suffix}"))
        if not path.stem.startswith("_")
    ]
