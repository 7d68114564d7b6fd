"""The benchmark of scale works, and its committed results meet the goals."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "benchmarks" / "results" / "2026-11-22-cpu" / "scale.json"


@pytest.fixture
def scale(monkeypatch):
    """The script from `benchmarks`, which is no package."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("scale")
    for name in ("scale", "scale_steps"):
        sys.modules.pop(name, None)


def test_every_step_accounts_for_every_evaluation(scale, tmp_path):
    for name, step in scale.STEPS.items():
        result = step(100, tmp_path / "run")
        assert result["seconds"] > 0, name
    assert len((tmp_path / "run" / "evaluations.jsonl").read_bytes().splitlines()) == 100
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert 'id="rooflines"' in page
    assert 'id="errors"' in page


def test_committed_results_meet_the_goals_and_are_the_pages(scale):
    found = json.loads(COMMITTED.read_text())
    assert scale.faults(found) == []
    page = (ROOT / "docs" / "scale.md").read_text()
    for line in scale.table(found):
        assert line in page, "docs/scale.md does not hold what 'python benchmarks/scale.py --from ...' prints"


def test_goals_that_are_missed_are_named(scale):
    found = json.loads(COMMITTED.read_text())
    found["steps"]["report"]["10000"]["seconds"] = 11.0
    found["steps"]["matrix"]["10000"]["peak_mib"] = 900.0
    found["steps"]["plan"]["10000"]["cpu_s"] = found["steps"]["plan"]["1000"]["cpu_s"] * 21
    found["steps"]["HTML report"]["10000"] |= {"peak_mib": 900.0, "bytes": 50e6}
    text = "; ".join(scale.faults(found))
    assert "HTML report of 10000 took 900 MiB" in text
    assert "HTML report of 10000 is a file of 50.0 MB" in text
    assert "report of 10000 took 11.0 s" in text
    assert "matrix of 10000 took 900 MiB" in text
    assert "planning is not flat" in text


def test_one_step_is_measured_again_beside_the_others(scale, monkeypatch):
    known = json.loads(COMMITTED.read_text())
    before = json.loads(COMMITTED.read_text())["steps"]
    monkeypatch.setattr(scale, "host_info", lambda: known["host"])
    monkeypatch.setattr(scale, "in_child", lambda step, size, folder: {"seconds": 1.0, "cpu_s": 1.0, "peak_mib": 7.0})
    found = scale.measure(["matrix"], known)["steps"]
    assert found["matrix"]["100"]["seconds"] == 1.0
    assert {step: one for step, one in found.items() if step != "matrix"} == {
        step: one for step, one in before.items() if step != "matrix"
    }
    with pytest.raises(SystemExit, match="measure all of them"):
        scale.measure(["matrix"], {**known, "host": {}})
