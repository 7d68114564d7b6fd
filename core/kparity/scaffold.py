"""New projects from templates: a backend or a task as a package that passes its own tests before a line is written.

Templates are the files below `templates/<kind>`, named `<file>.tmpl`, with `$name` placeholders. A folder called
`PACKAGE` takes the package's name; `gitignore` and `github` get their leading dot.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Literal

from kparity.errors import UsageError
from kparity.version import API_VERSION

Kind = Literal["backend", "task"]
KINDS: tuple[Kind, ...] = ("backend", "task")

_TEMPLATES = Path(__file__).parent / "templates"
_SUFFIX = ".tmpl"
_DOTTED = ("gitignore", "github")


def new_project(kind: str, name: str, directory: Path) -> Path:
    """Write a new project below `directory`; returns its folder.

    Args:
        kind: `backend` or `task`.
        name: of the backend, or `category/name` of the task.

    Raises:
        UsageError: another kind, a name that cannot be used, or a folder that is there already.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown kind of project {kind!r}; expected {' or '.join(map(repr, KINDS))}")
    values = _backend_values(name) if kind == "backend" else _task_values(name)
    if importlib.util.find_spec(values["package"]) is not None:
        raise UsageError(f"a package {values['package']!r} can be imported already; choose another name than {name!r}")
    project = directory / values["distribution"]
    if project.exists():
        raise UsageError(f"{str(project)!r} exists already and is left as it is; remove it, or choose another --dir")
    for path, text in _filled(_TEMPLATES / kind, values):
        target = project / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{str(target)!r} cannot be written: {error.strerror}") from error
    return project


def _backend_values(name: str) -> Mapping[str, str]:
    _check_identifier("backend", name)
    return {
        "name": name,
        "identifier": name,
        "package": f"kparity_{name}",
        "distribution": f"kparity-{name.replace('_', '-')}",
        "class_name": "".join(part.capitalize() for part in name.split("_")) + "Backend",
        "api": API_VERSION,
    }


def _task_values(name: str) -> Mapping[str, str]:
    category, slash, short = name.partition("/")
    if not slash or "/" in short:
        raise UsageError(f"task {name!r} is not called category/name, e.g. 'signal/difference'")
    for part in (category, short):
        _check_identifier("task", part)
    return {
        "name": name,
        "task": name,
        "identifier": short,
        "package": f"kparity_{category}_{short}",
        "distribution": f"kparity-{category}-{short}".replace("_", "-"),
        "api": API_VERSION,
    }


def _check_identifier(what: str, name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} cannot name a {what}: expected lower-case letters, digits and single underscores, beginning "
            "with a letter, and no keyword of Python, e.g. 'my_chip'"
        )


def _filled(folder: Path, values: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob(f"*{_SUFFIX}")):
        parts = path.relative_to(folder).with_suffix("").parts
        parts = tuple(f".{part}" if part in _DOTTED else part for part in parts)
        target = Path(*(values["package"] if part == "PACKAGE" else part for part in parts))
        yield target, Template(path.read_text(encoding="utf-8")).substitute(values)
