"""The oracle cache: known oracles are not computed again, whoever asks, and never taken for those of something else."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from toy import Plugin, ToyBackend, toy_plugin

from kparity import Numerics, Options, Session, edge, kernel_spec
from kparity import problem as posing
from kparity.oracle_cache import OracleCache
from kparity.problem import Problem

pytestmark = pytest.mark.slow

INLINE = Options(seed=3, timing=None, isolation="inline")

PLUGIN = '''
import os

import numpy as np

from kparity import Backend, DeviceInfo, Implementation, edge, hookimpl, kernel_spec


class Plain(Backend):
    name = "plain"

    def open(self, index=0):
        return DeviceInfo(backend="plain", name="Plain", kind="cpu", dtypes=("float32",))

    def put(self, array):
        return array.copy()

    def get(self, array):
        return array.copy()


@kernel_spec("kept/twice", inputs={"x": "n : float32"}, outputs={"y": "n : float32"}, cases=[edge(n=1), edge(n=50)])
def twice(x):
    """y[i] = 2 x[i]."""
    if x.dtype == np.float64 and x.size == 50 and "NOTES" in os.environ:
        with open(os.environ["NOTES"], "a") as notes:
            notes.write("computed\\n")
    return x + x


def kernel(x):
    return x + x


@hookimpl
def register_backends():
    return [Plain()]


@hookimpl
def register_tasks():
    return [twice]


@hookimpl
def register_implementations():
    return [Implementation("kept/twice", "plain", "kept_plugin:kernel", "kernel")]
'''


@pytest.fixture
def cache(tmp_path):
    return OracleCache(tmp_path / "oracles")


@pytest.fixture
def softmax():
    spec = Session().catalogue.task("activation/softmax")
    return spec, spec.cases(roles=["edge"], dtypes=["float32"])[0]


@pytest.fixture
def no_reference(monkeypatch):
    """Forbids to evaluate references from then on."""

    def forbid():
        def evaluate(*arguments):
            raise AssertionError("the reference was evaluated")

        monkeypatch.setattr(posing, "evaluate_reference", evaluate)

    return forbid


def same(one, other):
    arrays = [(*each.oracle, *each.bounds, *each.honest.errors) for each in (one, other)]
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*arrays, strict=True))


def test_what_is_known_is_not_computed_again_and_is_the_same(cache, softmax, no_reference):
    spec, case = softmax
    first = Problem.pose(spec, case, 7, cache)
    no_reference()
    again = Problem.pose(spec, case, 7, OracleCache(cache.folder))
    assert same(first, again)
    assert again.honest.draws == first.honest.draws
    assert again.unstable == first.unstable
    with pytest.raises(AssertionError):
        Problem.pose(spec, case, 8, cache)


def test_the_sample_of_a_large_case_is_kept_too(cache, no_reference):
    spec = Session().catalogue.task("activation/softmax")
    large = next(case for case in spec.cases(roles=["perf"], dtypes=["float32"]) if case.elements >= 1 << 22)
    first = Problem.pose(spec, large, 7, cache)
    assert first.parts
    no_reference()
    again = Problem.pose(spec, large, 7, cache)
    assert all(same(one, other) for one, other in zip(first.parts, again.parts, strict=True))


def test_another_contract_attribute_or_dtype_is_another_entry(cache, softmax, no_reference):
    spec, case = softmax
    Problem.pose(spec, case, 7, cache)
    narrow = spec.cases(roles=["edge"], dtypes=["bfloat16"])[0]
    loose = dataclasses.replace(spec, numerics=Numerics(storage_intermediates=True))
    no_reference()
    for other, where in ((spec, narrow), (loose, case)):
        with pytest.raises(AssertionError, match="was evaluated"):
            Problem.pose(other, where, 7, cache)


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "replaced"])
def test_a_damaged_entry_is_computed_again_and_mended(damage, cache, softmax, no_reference):
    spec, case = softmax
    first = Problem.pose(spec, case, 7, cache)
    ((path, _),) = cache.entries()
    content = path.read_bytes()
    middle = len(content) // 2
    damaged = {
        "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "cut": content[:middle],
        "emptied": b"",
        "replaced": b"something else entirely",
    }
    path.write_bytes(damaged[damage])
    assert same(first, Problem.pose(spec, case, 7, cache))
    assert path.read_bytes()[:100] == content[:100]
    no_reference()
    assert same(first, Problem.pose(spec, case, 7, cache))


def test_entries_are_for_this_user_alone_and_a_folder_that_is_not_is_left_alone(cache, softmax, tmp_path):
    spec, case = softmax
    Problem.pose(spec, case, 7, cache)
    ((path, _),) = cache.entries()
    assert path.stat().st_mode & 0o077 == 0
    assert cache.folder.stat().st_mode & 0o077 == 0
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    Problem.pose(spec, case, 7, OracleCache(shared))
    assert list(shared.iterdir()) == []


def test_the_entries_that_nobody_asked_for_make_room(tmp_path, softmax):
    spec, case = softmax
    cache = OracleCache(tmp_path / "oracles")
    for seed in range(3):
        Problem.pose(spec, case, seed, cache)
    (oldest, size), (second, _), _ = cache.entries()
    for age, (path, _) in enumerate(reversed(cache.entries())):
        os.utime(path, (time.time() - 100 * age,) * 2)
    Problem.pose(spec, case, 0, cache)  # the oldest is asked for
    Problem.pose(spec, case, 9, OracleCache(cache.folder, limit_bytes=3 * size))
    left = [path for path, _ in cache.entries()]
    assert oldest in left
    assert second not in left
    assert len(left) == 3


def test_what_a_digest_of_sources_cannot_tell_is_not_kept(cache):
    factor = 3.0

    @kernel_spec("demo/closed", inputs={"x": "n : float32"}, outputs={"y": "n : float32"}, cases=[edge(n=3)])
    def closed(x):
        """Every element times a number from elsewhere."""
        return x * x.dtype.type(factor)

    Problem.pose(closed, closed.cases()[0], 7, cache)
    assert cache.entries() == []


def test_oracles_are_kept_for_a_given_seed_and_never_for_candidates(tmp_path, monkeypatch):
    monkeypatch.setenv("KPARITY_ORACLE_CACHE", str(tmp_path / "oracles"))
    cache = OracleCache.default()
    session = Session(extra=[toy_plugin("good")], discover=False)
    fresh = Options(timing=None, isolation="inline")
    assert session.evaluate("toy/scale", "toy", name="good", options=fresh).passed
    source = "def scale(x, factor): return x * x.dtype.type(factor)"
    assert session.evaluate("toy/scale", "toy", source, options=INLINE).passed
    off = Options(seed=3, timing=None, isolation="inline", oracle_cache=False)
    assert session.evaluate("toy/scale", "toy", name="good", options=off).passed
    assert cache.entries() == []
    assert session.evaluate("toy/scale", "toy", name="good", options=INLINE).passed
    assert cache.entries()


def test_a_reference_that_was_edited_is_computed_anew(python, install, tmp_path):
    site = install("kept", sources={"kept_plugin": PLUGIN}, kept="kept_plugin")

    def run():
        command = ("run", "kept/twice", "-b", "plain", "--no-timing", "--seed", "5")
        return python("-m", "kparity", *command, KPARITY_ORACLE_CACHE=str(tmp_path / "oracles"))

    assert run().returncode == 0
    kept = len(list((tmp_path / "oracles").glob("*.oracle")))
    assert kept
    assert run().returncode == 0
    assert len(list((tmp_path / "oracles").glob("*.oracle"))) == kept
    thrice = PLUGIN.replace("return x + x\n\n\ndef kernel", "return x + x + x\n\n\ndef kernel")
    (site / "kept_plugin.py").write_text(thrice)
    done = run()
    assert done.returncode == 1
    assert "bound" in done.stdout + done.stderr


def test_processes_that_want_the_same_oracle_compute_it_once(install, environment, tmp_path):
    install("kept", sources={"kept_plugin": PLUGIN}, kept="kept_plugin")
    notes = tmp_path / "notes"
    program = (
        "import sys, time\nfrom kparity import Session\nfrom kparity.problem import Problem\n"
        "from kparity.oracle_cache import OracleCache\n"
        "spec = Session().catalogue.task('kept/twice')\nprint('ready', flush=True)\nsys.stdin.readline()\n"
        "problem = Problem.pose(spec, spec.cases()[1], 5, OracleCache.default())\nprint(problem.oracle[0].sum())"
    )
    variables = environment(NOTES=str(notes), KPARITY_ORACLE_CACHE=str(tmp_path / "oracles"))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    sums = {process.communicate("go\n", timeout=60)[0] for process in processes}
    assert len(sums) == 1
    assert all(process.returncode == 0 for process in processes)
    alone = subprocess.run(
        [sys.executable, "-c", program.replace("OracleCache.default()", "None")],
        env={**variables, "NOTES": str(tmp_path / "alone")},
        input="go\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert alone.stdout.splitlines()[-1] in next(iter(sums))
    assert notes.read_text() == (tmp_path / "alone").read_text()


def test_without_a_folder_it_still_works(tmp_path, softmax, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    spec, case = softmax
    assert Problem.pose(spec, case, 7, OracleCache(blocked / "below")).oracle
    monkeypatch.setenv("KPARITY_ORACLE_CACHE", "off")
    assert OracleCache.default() is None


def test_an_inline_session_of_a_plugin_without_a_file_is_not_kept(cache):
    namespace: dict[str, object] = {"__name__": "made_up", "kernel_spec": kernel_spec, "edge": edge}
    exec(  # what a notebook's cell does
        "@kernel_spec('demo/made', inputs={'x': 'n : float32'}, outputs={'y': 'n : float32'}, cases=[edge(n=3)])\n"
        "def made(x):\n    '''Doubled.'''\n    return x + x\n",
        namespace,
    )
    spec = namespace["made"]
    assert Session(extra=[Plugin(tasks=[spec], backends=[ToyBackend()])], discover=False).catalogue.task("demo/made")
    Problem.pose(spec, spec.cases()[0], 7, cache)
    assert cache.entries() == []
