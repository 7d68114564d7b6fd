"""What a stranger installs: the sdist, the wheel that is built from it, and that the wheel works on its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCE_ROOTS = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
PLUGINS = PROJECT["project"]["entry-points"]["kparity"]
LEFT_OUT = {"__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"}

pytestmark = pytest.mark.slow


def build(target, source, out):
    """Build an sdist or a wheel from `source` with the build backend that pyproject.toml names."""
    pytest.importorskip("hatchling", reason="hatchling is not installed: pip install hatchling")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(out)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = out.iterdir()
    return archive


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The unpacked sdist."""
    archive = build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as tar:
        tar.extractall(unpacked, filter="data")
    (folder,) = unpacked.iterdir()
    return folder


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """The unpacked wheel, built from the sdist."""
    archive = build("wheel", sdist, tmp_path_factory.mktemp("wheel"))
    unpacked = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(archive) as file:
        file.extractall(unpacked)
    return unpacked


def files(folder):
    """Every file below a folder, by its path in it."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if not LEFT_OUT & set(path.parts) and path.suffix != ".pyc"}


def test_the_wheel_holds_every_file_of_every_package_and_nothing_else(wheel):
    expected = set().union(*(files(ROOT / root) for root in SOURCE_ROOTS))
    inside = files(wheel)
    assert {name for name in inside if ".dist-info" not in name} == expected
    packages = {name.partition("/")[0] for name in expected}
    assert len(packages) == len(SOURCE_ROOTS)
    assert packages >= {"kparity", *(target.partition(".")[0] for target in PLUGINS.values())}
    assert {f"{package}/py.typed" for package in packages} <= inside
    suffixes = {Path(name).suffix for name in inside if name.startswith("kparity_cuda/")}
    assert {".cu", ".cuh", ".h", ".py"} <= suffixes
    kernels = {Path(name).stem for name in inside if name.startswith("kparity_cuda/kernels/") and name.endswith(".cu")}
    assert len(kernels) == 21


def test_the_wheel_declares_plugins_script_licence_and_extras(wheel):
    (info,) = wheel.glob("*.dist-info")
    entry_points = (info / "entry_points.txt").read_text()
    assert "[console_scripts]\nkparity = kparity.cli:main" in entry_points
    assert {"cpu_ref", "cuda", "jax", "tasks", "torch", "triton"} <= set(PLUGINS)
    for name, target in PLUGINS.items():
        assert f"{name} = {target}" in entry_points
    metadata = (info / "METADATA").read_text()
    assert "License-Expression: Apache-2.0" in metadata
    assert (info / "licenses" / "LICENSE").exists()
    assert {"cpu", "torch", "triton", "cuda", "jax", "all", "dev"} <= set(PROJECT["project"]["optional-dependencies"])
    for extra in PROJECT["project"]["optional-dependencies"]:
        assert f"Provides-Extra: {extra}\n" in metadata


def test_the_sdist_holds_the_tests_and_what_the_build_needs(sdist):
    inside = files(sdist)
    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"} <= inside
    assert {f"tests/{name}" for name in files(ROOT / "tests")} <= inside


def test_the_wheel_works_on_its_own(wheel, environment, tmp_path):
    """On the import path before the checkout, away from it: plugins, sources and a worker come from the wheel."""

    def kparity(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "kparity", *arguments],
            cwd=tmp_path,
            env=environment(PYTHONPATH=str(wheel)),
            capture_output=True,
            text=True,
            check=False,
        )

    where = subprocess.run(
        [sys.executable, "-c", "import kparity, kparity_cuda; print(kparity.__file__, kparity_cuda.__file__)"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(wheel)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.count(str(wheel)) == 2
    listed = kparity("list", "--json")
    assert listed.stderr == ""
    assert len(json.loads(listed.stdout)) == 21
    assert "__global__" in kparity("show", "activation/softmax", "-b", "cuda").stdout
    run = kparity("run", "activation/softmax", "-b", "cpu_ref", "-c", "rows=3,*", "--no-timing", "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["summary"]["passed"] == 6
