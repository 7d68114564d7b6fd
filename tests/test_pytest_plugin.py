"""The pytest plugin: three lines test a repository's kernels, and a failure says what is wrong where."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow

KERNELS = """
import pytest

@pytest.mark.kparity({marker})
def test_kernel(kparity_evaluation):
    kparity_evaluation.check()
"""


@pytest.fixture
def suite(pytester, monkeypatch, install, environment):
    """Runs a test file in a pytest of its own, where the toy plugin is installed."""
    install("toy-accelerator", toy="toy_plugin")
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])

    def call(marker, *arguments, body=KERNELS):
        pytester.makepyfile(body.format(marker=marker))
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)

    return call


def test_each_task_and_lineup_is_a_test(suite):
    result = suite('backends=["toy"]', "--collect-only", "-q")
    tests = [line.partition("[")[2] for line in result.outlines if "test_kernel[" in line]
    assert tests == [
        "toy:good-toy/scale]",
        "toy:slow-toy/scale]",
        "toy:fails_on_seven-toy/scale]",
        "toy:good-toy/split]",
    ]


def test_a_failure_shows_the_worst_element_where_the_errors_lie_and_how_to_repeat_it(suite):
    result = suite('tasks=["toy/*"], implementations=["toy:good", "toy:fails*"]', "--kparity-seed", "1")
    assert result.parseoutcomes() == {"passed": 2, "failed": 1}
    result.stdout.fnmatch_lines(
        [
            "*2 of 6 cases went wrong",
            "*failed: toy:fails_on_seven toy/scale n=7,T=float32",
            "*bound: 7 of 7 elements of 'y' are off*",
            "*seven is printed*",
            "*kparity run toy/scale -i toy:fails_on_seven -c 'n=7,T=float32' --seed 1",
        ]
    )
    assert any("█" in line for line in result.outlines)
    assert not any("pytesting.py" in line for line in result.outlines), "no traceback of ours"


def test_options_narrow_what_a_marker_selects(suite):
    result = suite("", "--kparity-backend", "toy", "--kparity-task", "*/split", "-q")
    assert result.parseoutcomes() == {"passed": 1}
    result = suite('backends="toy"', "--kparity-backend", "cpu_ref", "-q")
    assert result.parseoutcomes() == {"skipped": 1}


def test_a_source_file_is_a_candidate(suite, pytester):
    pytester.makepyfile(mine="def scale(x, factor=2.0):\n    return x * x.dtype.type(factor)\n")
    marker = 'tasks="toy/scale", backends="toy", source="{}", dtypes=["float32"]'
    assert suite(marker.format("mine.py"), "-q", "-rs").parseoutcomes() == {"passed": 1}
    pytester.makepyfile(wrong="def scale(x, factor=2.0):\n    return x\n")
    result = suite(marker.format("wrong.py"), "-q")
    assert result.parseoutcomes() == {"failed": 1}
    result.stdout.fnmatch_lines(["14 of 14 cases went wrong", "*failed: toy:candidate toy/scale n=1,T=float32"])


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ('tasks="toy/scal"', "*unknown task 'toy/scal'. Did you mean 'toy/scale'*"),
        ('task="toy/scale"', "*marker kparity: 'task' is no keyword; keywords: tasks, backends*"),
        ('source="x.py"', "*a source needs tasks and backends*"),
        ('tasks="toy/scale", backends="toy", source="absent.py"', "*absent.py' is no file*"),
        ('roles="big"', "*unknown role 'big'; expected edge, typical, perf*"),
    ],
)
def test_a_marker_that_makes_no_sense_is_an_error(suite, marker, told):
    result = suite(marker, "-q")
    assert result.ret != 0
    result.stdout.fnmatch_lines([told])


BACKENDS = """
import pytest
from kparity import Session
from kparity.testing import FaultyBackend

def test_outcome(kparity_evaluation):
    assert kparity_evaluation.passed
    assert "toy:good-toy/scale: passed" in repr(kparity_evaluation)
    times = [bool(one.measurements) for one in kparity_evaluation.check().evaluations]
    print("TIMED", any(times))
"""


@pytest.mark.parametrize(
    ("arguments", "timed"), [((), False), (("--kparity-timing",), True), (("--kparity-timing", "-n", "1"), False)]
)
def test_times_are_taken_when_asked_for_and_never_under_xdist(suite, arguments, timed):
    chosen = ["--kparity-backend", "toy", "--kparity-task", "toy/scale", "-k", "good", "-rP"]
    result = suite("", *chosen, *arguments, body=BACKENDS)
    assert result.parseoutcomes()["passed"] == 1
    result.stdout.fnmatch_lines([f"TIMED {timed}"])


def test_a_backend_that_is_not_there_is_a_skip_with_its_reason(suite, install):
    text = (
        "from toy import MissingBackend, implementation\n"
        "from kparity import hookimpl\n"
        "@hookimpl\n"
        "def register_backends():\n    return [MissingBackend()]\n"
        "@hookimpl\n"
        "def register_implementations():\n    return [implementation('good', backend='missing')]\n"
    )
    install("absent-accelerator", sources={"absent_plugin": text}, absent="absent_plugin")
    result = suite('backends="missing"', "-rs", "-q")
    assert result.parseoutcomes() == {"skipped": 1}
    result.stdout.fnmatch_lines(["*nolib is not installed: pip install nolib*"])


def test_a_run_that_does_not_use_it_imports_nothing_more_than_kparity(python, tmp_path):
    (tmp_path / "test_other.py").write_text(
        "import json, sys\n\ndef test_other():\n"
        "    print('LOADED', json.dumps([name for name in sys.modules if name.startswith('kparity.')]))\n"
    )
    done = python("-m", "pytest", "-q", "-rP", str(tmp_path / "test_other.py"))
    assert done.returncode == 0, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("LOADED ")]
    loaded = set(json.loads(line.removeprefix("LOADED ")))
    assert "kparity.pytest_plugin" in loaded
    assert not {"kparity.pytesting", "kparity.testing", "kparity.conformance.suite"} & loaded
