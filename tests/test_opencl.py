"""`examples/kparity-opencl`: a backend that nobody here knows installs, keeps its promises, stands in the matrix."""

from __future__ import annotations

import re
import shutil
import textwrap
from pathlib import Path

import pytest

from kparity import read_run

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "examples" / "kparity-opencl"
PACKAGE = PROJECT / "src" / "kparity_opencl"


def test_the_backend_is_short():
    assert len((PACKAGE / "backend.py").read_text().splitlines()) < 100


def test_core_does_not_know_it():
    named = [path for path in (ROOT / "core").rglob("*") if path.suffix in {".py", ".tmpl"}]
    assert not [path for path in named if "opencl" in path.read_text(encoding="utf-8").lower().replace("pyopencl", "")]


@pytest.mark.slow
def test_it_installs_keeps_its_promises_and_stands_in_the_matrix(venv, tmp_path):
    pytest.importorskip("pyopencl", reason="pyopencl is not installed: pip install '.[dev]'")
    project = shutil.copytree(PROJECT, tmp_path / "kparity-opencl")
    venv.install(project)

    told = venv.pytest(project, "tests/test_conformance.py", "tests/test_language.py")
    assert int(re.search(r"(\d+) passed", told)[1]) >= 36, told
    told = venv.pytest(project, "tests/test_kernels.py", "--kparity-role=edge", "--kparity-task=math/cumsum")
    assert "1 passed" in told

    side_by_side = ("--backend", "opencl", "--backend", "cpu_ref", "--case", "m=256*", "--dtype", "float32")
    venv.run("-m", "kparity", "run", "matmul/matmul", *side_by_side, "--out", tmp_path / "run")
    _, records = read_run(tmp_path / "run")
    assert {one.status for one in records} == {"passed"}
    found = {one.implementation.backend: one for one in records}
    assert set(found) == {"opencl", "cpu_ref"}
    assert found["opencl"].implementation.owner == "kparity-opencl"
    assert {one.measurand: one.clock for one in found["opencl"].measurements}["device"] == "opencl-events"


def test_the_tutorials_blocks_are_regions_of_the_files():
    page = (ROOT / "docs" / "tutorial.md").read_text()
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", page, re.M | re.S)
    named = re.findall(r"^`(examples/\S+)`:\n\n```(\w+)\n(.*?)^```", page, re.M | re.S)
    assert len(named) == len([language for language, _ in blocks if language != "console"]) > 10
    for path, _, block in named:
        text = (ROOT / path).read_text()
        indents = {textwrap.indent(block, " " * width) for width in (0, 4)}
        assert any(one in text for one in indents), f"{path} has no such region:\n{block}"
