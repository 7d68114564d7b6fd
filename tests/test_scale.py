"""The benchmark of scale works, and its committed results meet the goals."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "benchmarks" / "results" / "2026-11-22-cpu" / "scale.json"


@pytest.fixture(scope="module")
def scale():
    spec = importlib.util.spec_from_file_location("scale_benchmark", ROOT / "benchmarks" / "scale.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_every_step_accounts_for_every_evaluation(scale, tmp_path):
    for name, step in scale.STEPS.items():
        result = step(100, tmp_path / "run")
        assert result["seconds"] > 0, name
    assert len((tmp_path / "run" / "evaluations.jsonl").read_bytes().splitlines()) == 100


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
    text = "; ".join(scale.faults(found))
    assert "report of 10000 took 11.0 s" in text
    assert "matrix of 10000 took 900 MiB" in text
    assert "planning is not flat" in text
