"""What is imported when: a framework only where it is used."""

from __future__ import annotations

import ast
import json
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PLUGINS = {target.partition(".")[0] for target in PROJECT["project"]["entry-points"]["kparity"].values()}
SOURCE_ROOTS = PROJECT["tool"]["hatch"]["build"]["dev-mode-dirs"]
PACKAGES = {path.parent.name: path.parent for root in SOURCE_ROOTS for path in (ROOT / root).glob("*/__init__.py")}
FRAMEWORKS = ("torch", "triton", "jax", "jaxlib", "cupy", "numba", "scipy")
REPORT = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def imported_by(python, program):
    """Top-level names of all modules that a program has imported by its end."""
    done = python("-c", f"import sys\n{program}\n{REPORT}")
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def calling(*arguments):
    """A program that runs the command line and swallows what it prints."""
    return (
        "import contextlib, io\n"
        "from kparity.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({list(arguments)!r})"
    )


@pytest.mark.parametrize(
    "program",
    ["import kparity", calling("--help"), calling("run", "--help"), "import kparity.sandbox.worker"],
    ids=["import", "help", "run-help", "worker"],
)
def test_neither_frameworks_nor_backends_nor_tasks_are_imported(python, program):
    loaded = imported_by(python, program)
    assert "kparity" in loaded
    assert not loaded & {*FRAMEWORKS, *PACKAGES} - {"kparity"}


@pytest.mark.parametrize(
    "program",
    [
        "import kparity; kparity.Session()",
        calling("list"),
        calling("show", "matmul/matmul"),
        calling("run", "no/such"),
        "import kparity; c = kparity.Session().catalogue; [c.implementations('matmul/matmul', b) for b in c.backends]",
    ],
    ids=["session", "list", "show", "bad-usage", "catalogue"],
)
def test_the_catalogue_imports_plugins_but_no_framework(python, program):
    loaded = imported_by(python, program)
    assert loaded >= PLUGINS
    assert not loaded & {name for name in FRAMEWORKS if name != "scipy"}


def imports_below(folder):
    """(file name, top-level name) of every absolute import below a folder."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            yield from ((path.name, name.partition(".")[0]) for name in names)


def test_core_names_no_backend_and_no_framework():
    banned = {*FRAMEWORKS, *PACKAGES} - {"scipy", "kparity"}
    assert [found for found in imports_below(PACKAGES["kparity"]) if found[1] in banned] == []


def test_backends_and_tasks_never_import_each_other():
    assert len(PLUGINS) >= 6
    for package in PLUGINS:
        assert [found for found in imports_below(PACKAGES[package]) if found[1] in PLUGINS - {package}] == [], package
