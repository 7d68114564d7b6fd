"""`kparity new`: what is generated is clean, installs, and passes its own tests before anybody has touched it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kparity import UsageError
from kparity.scaffold import new_project

CORE = Path(__file__).parent.parent / "core"
PROJECTS = {"backend": "my_chip", "task": "signal/weigh"}


@pytest.fixture(params=PROJECTS)
def project(request, tmp_path):
    """A generated project of each kind."""
    return new_project(request.param, PROJECTS[request.param], tmp_path)


def run(*command, cwd, **environment):
    """Run a command in the project; shows what it printed where it fails."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment or None, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_command_tells_what_it_made(cli, tmp_path):
    done = cli("new", "backend", "my_chip", "--dir", tmp_path)
    assert done.status == 0
    made = tmp_path / "kparity-my-chip"
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    assert files == set(re.findall(r"^  (\S+)$", done.out, re.M))
    assert files >= {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        ".gitignore",
        ".github/workflows/test.yml",
        "src/kparity_my_chip/backend.py",
        "src/kparity_my_chip/plugin.py",
        "src/kparity_my_chip/py.typed",
        "src/kparity_my_chip/kernels/activation/softmax.py",
        "tests/test_conformance.py",
    }
    backend = (made / "src/kparity_my_chip/backend.py").read_text()
    assert "class MyChipBackend(Backend):" in backend
    assert len(backend.splitlines()) < 100
    assert 'my_chip = "kparity_my_chip.plugin"' in (made / "pyproject.toml").read_text()


def test_no_placeholder_is_left(project):
    for path in project.rglob("*"):
        if path.is_file():
            assert not re.search(r"\$(?!\{\{)", path.read_text()), path
            assert ".tmpl" not in path.name


def test_what_is_there_is_left_as_it_is(cli, tmp_path):
    made = new_project("backend", "my_chip", tmp_path)
    (made / "README.md").write_text("mine")
    done = cli("new", "backend", "my_chip", "--dir", tmp_path)
    assert done.status == 2
    assert "exists already and is left as it is" in done.err
    assert (made / "README.md").read_text() == "mine"


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("backend", "My-Chip", "lower-case letters"),
        ("backend", "class", "no keyword"),
        ("backend", "1chip", "beginning"),
        ("backend", "a__b", "single underscores"),
        ("backend", "", "cannot name a backend"),
        ("backend", "../x", "cannot name a backend"),
        ("backend", "triton", "'kparity_triton' can be imported already"),
        ("task", "weigh", "is not called category/name"),
        ("task", "a/b/c", "is not called category/name"),
        ("task", "signal/lambda", "no keyword"),
        ("task", "signal/", "cannot name a task"),
        ("kernel", "x", "unknown kind of project 'kernel'; expected 'backend' or 'task'"),
    ],
)
def test_names_that_cannot_be_used_are_refused(kind, name, told, tmp_path):
    with pytest.raises(UsageError, match=re.escape(told)):
        new_project(kind, name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        new_project("backend", "my_chip", tmp_path / "file")


@pytest.mark.slow
def test_what_is_generated_is_clean(project):
    run(sys.executable, "-m", "ruff", "check", ".", cwd=project)
    run(sys.executable, "-m", "ruff", "format", "--check", ".", cwd=project)
    run(sys.executable, "-m", "mypy", "--follow-imports=silent", cwd=project, MYPYPATH=str(CORE), PATH="/usr/bin:/bin")


@pytest.mark.slow
def test_what_is_generated_installs_and_passes_its_own_tests(project, venv):
    venv.install(project)
    told = venv.pytest(project)
    passed = int(re.search(r"(\d+) passed", told)[1])
    assert passed >= (30 if "my-chip" in project.name else 4), told
    listed = venv.run("-m", "kparity", "list", "--json")
    assert ("signal/weigh" in listed) == ("weigh" in project.name)
    assert ("my_chip" in listed) == ("my-chip" in project.name)
