"""The examples run, do what they say, and stand in the documentation word for word."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from kparity import Options, Session

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
UNTIMED = Options(seed=1, timing=None)

QUOTED = {
    "ten_line_plugin.py": ("README.md", "docs/backends.md"),
    "ten_line_embedding.py": ("README.md",),
    "all_hooks.py": ("docs/backends.md",),
    "bounds_by_hand.py": ("docs/numerics.md",),
    "softmax.cu": ("docs/backends.md",),
}


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Imports an example by name; workers find it too, since they get this process's import path."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    known = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(EXAMPLES)):
            del sys.modules[name]


@pytest.mark.parametrize(("name", "page"), [(name, page) for name, pages in QUOTED.items() for page in pages])
def test_the_documentation_quotes_the_example(name, page):
    assert f"\n{(EXAMPLES / name).read_text()}```" in (ROOT / page).read_text()


@pytest.mark.parametrize("name", ["ten_line_plugin.py", "ten_line_embedding.py"])
def test_ten_lines_are_ten_lines(name):
    assert len([line for line in (EXAMPLES / name).read_text().splitlines() if line.strip()]) <= 10


def test_the_plugin_brings_a_backend(example):
    session = Session(extra=[example("ten_line_plugin")])
    outcome = session.evaluate(
        "activation/softmax", "host", (EXAMPLES / "softmax.py").read_text(), roles=["edge"], options=UNTIMED
    )
    assert outcome.passed
    assert {one.device.name for one in outcome.evaluations} == {"host memory"}
    assert not [fault for fault in session.catalogue.faults if "ten_line_plugin" in fault.plugin]


def test_the_plugins_backend_refuses_what_is_no_array_of_its_own(example):
    session = Session(extra=[example("ten_line_plugin")])
    source = "def softmax(x): return [[1.0]]"
    outcome = session.evaluate("activation/softmax", "host", source, cases=["rows=1,cols=1,*"], options=UNTIMED)
    assert outcome.status == "error"
    assert "no array of host" in outcome.message


def test_the_embedding_prints_one_line_a_case(python):
    done = python(str(EXAMPLES / "ten_line_embedding.py"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["rows=128,cols=4096,T=float32", "passed"],
        ["rows=128,cols=4096,T=float16", "failed"],
        ["rows=128,cols=4096,T=bfloat16", "failed"],
    ]
    assert all("bound: " in line for line in lines[1:])


def test_every_hook_is_used(example):
    plugin: ModuleType = example("all_hooks")
    session = Session(extra=[plugin], discover=False)
    assert session.catalogue.faults == ()
    run = session.prepare(options=UNTIMED)
    evaluations = list(run)
    assert {one.task for one in evaluations} == {"signal/difference"}
    assert {one.status for one in evaluations} == {"passed"}
    assert all("telescopes" in [check.name for check in one.verdict.checks] for one in evaluations)
    text = session.catalogue.reporters["csv"].render(run.info, evaluations)
    assert text.splitlines()[1] == 'signal/difference,host:numpy,"rows=1,cols=2,T=float32",passed'


def test_the_observer_hears_of_a_failure_and_the_check_refuses(example, capsys):
    session = Session(extra=[example("all_hooks")], discover=False)
    source = "import numpy as np\ndef difference(x): return np.diff(x, axis=-1) * x.dtype.type(2)"
    outcome = session.evaluate("signal/difference", "host", source, dtypes=["float32"], options=UNTIMED)
    assert outcome.status == "failed"
    assert all(one.verdict.checks[-1].status == "failed" for one in outcome.evaluations)
    assert "signal/difference rows=1,cols=2,T=float32 failed" in capsys.readouterr().err


def test_the_bounds_are_printed(python):
    done = python(str(EXAMPLES / "bounds_by_hand.py"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the bound accepts 0 of 524,288 elements") == 2


def test_the_candidate_passes_and_the_narrow_one_does_not(cli):
    arguments = ("--task", "activation/softmax", "--backend", "cpu_ref", "--no-timing", "--seed", 1, "-r", "typical")
    good = cli("verify", EXAMPLES / "softmax.py", *arguments)
    assert (good.status, counts(good)) == (0, "3 passed")
    bad = cli("verify", EXAMPLES / "softmax_too_narrow.py", *arguments)
    assert (bad.status, counts(bad)) == (1, "1 passed, 2 failed")


def counts(done) -> str:
    """The line that sums the verdicts up: the last one but the level of assurance."""
    *_, summary, assurance = done.out.splitlines()
    assert assurance.startswith("assurance: "), done.out
    return summary


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("nvcc", "g++", "clang++"))), reason="needs a GPU or a C++ compiler")
def test_the_cuda_candidate_passes(cli):
    arguments = ("--task", "activation/softmax", "--backend", "cuda", "--no-timing", "--seed", 1, "-r", "edge")
    few = ("-c", "rows=?,*", "-c", "*@*")  # 65,537 rows take a C++ compiler's kernel half a minute
    done = cli("verify", EXAMPLES / "softmax.cu", *arguments, *few)
    assert (done.status, counts(done)) == (0, "42 passed"), done.out  # nine edge cases, and those that hunt
