"""The small projects in `examples/`: a task, a check and a reporter of strangers, given to a session and installed."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from kparity import Options, Session

EXAMPLES = Path(__file__).parent.parent / "examples"
OPTIONS = Options(seed=1, timing=None, isolation="inline")
PROJECTS = {"kparity-extra-tasks": "kparity_extra_tasks", "kparity-house-rules": "kparity_house_rules"}
AVERAGE = "def moving_average(x, width=3): return x{}"


@pytest.fixture(params=["given", "installed"])
def session(request, install, monkeypatch):
    """A session with both, as modules or through their entry points."""
    for project in PROJECTS:
        monkeypatch.syspath_prepend(str(EXAMPLES / project / "src"))
    if request.param == "given":
        return Session(extra=[importlib.import_module(f"{package}.plugin") for package in PROJECTS.values()])
    for project, package in PROJECTS.items():
        install(project, **{package: f"{package}.plugin"})
    return Session()


def test_they_are_found(session):
    found = session.catalogue
    assert not [fault for fault in found.faults if "extra" in str(fault) or "house" in str(fault)]
    assert "signal/moving_average" in found.tasks
    assert "csv" in found.reporters
    labels = [one.label for one in found.implementations("signal/moving_average", "cpu_ref")]
    assert labels == ["cpu_ref:numpy", "cpu_ref:shifted"]


def test_the_task_and_the_check_judge_together(session):
    edges = {"roles": ["edge"], "dtypes": ["float32"], "options": OPTIONS}
    records = list(session.run(["signal/*"], backends=["cpu_ref"], **edges))
    assert {one.status for one in records} == {"passed"}
    assert {check.status for one in records for check in one.verdict.checks if check.name == "no_made_subnormals"} == {
        "passed"
    }
    wrong = session.evaluate("signal/moving_average", "cpu_ref", AVERAGE.format(" * 0 + x.dtype.type(1e-40)"), **edges)
    told = {check.name for one in wrong.evaluations for check in one.verdict.checks if check.status == "failed"}
    assert {"bound", "no_made_subnormals"} <= told
    text = session.catalogue.reporters["csv"].render(None, wrong.evaluations)
    assert len(text.splitlines()) == len(wrong.evaluations) + 1
    assert ',failed,"bound: ' in text
