"""The scripts under `benchmarks`: what they make of what they measure, and small runs of them."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import pytest
from pretend import plugin

from kparity import Cascade, Options, Session, TimingPolicy, read_runs, typical
from kparity.across import timed_on
from kparity.compare import ComparePolicy
from kparity.crossing import cross, rows_of
from kparity.testing import FaultyBackend

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parent.parent / "benchmarks"

SLOW = """
from kparity.testing import lasting
from toy_kernels import good

@lasting(1e-3 + {amount} * 1e-9)
def scale(x, factor=2.0):
    return good(x, factor)
"""


@pytest.fixture
def scripts(monkeypatch):
    """Imports a script from `benchmarks`, which is no package."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield importlib.import_module
    for name in (
        "timing_truth",
        "timing_cpu",
        "timing_shared",
        "timing_tables",
        "throughput",
        "breakdown",
        "isolation",
        "faults",
        "redteam",
        "committed",
    ):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("backend", ["cpu_ref", "torch", "jax", "triton", "cuda"])
def test_the_sources_that_scripts_hand_in_pass(scripts, backend):
    with Session() as session:
        arguments = {"cases": ["rows=3,*"], "dtypes": ["float32"], "options": Options(seed=3, timing=None)}
        outcome = session.evaluate("activation/softmax", backend, scripts("isolation").SOURCES[backend], **arguments)
    assert outcome.status == "passed", outcome.message


def test_the_newest_results_are_the_last_by_name_whatever_a_clone_made_of_their_times(scripts, tmp_path, monkeypatch):
    committed = scripts("committed")
    monkeypatch.setattr(committed, "RESULTS", tmp_path)
    for age, name in enumerate(("2026-02-01-h100", "2026-01-31-cpu")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "figures.json").write_text(json.dumps({"of": name}))
        os.utime(tmp_path / name / "figures.json", (age, age))
    assert committed.read("auto", "figures.json") == {"of": "2026-02-01-h100"}
    old = tmp_path / "2026-01-31-cpu"
    assert committed.read(old, "figures.json") == committed.read(old / "figures.json", "") == {"of": old.name}
    for missing in ("auto", str(old)):
        with pytest.raises(SystemExit, match=r"absent\.json"):
            committed.read(missing, "absent.json")


def test_every_committed_run_opens_and_the_readme_says_how_each_was_made():
    folders = sorted(path.parent for path in (SCRIPTS / "results").glob("*/*/run.json"))
    runs = read_runs(folders)
    assert not [note.message for note in runs.notes if "cut off" in note.message]
    matrix = cross(rows_of(runs))
    assert {"NVIDIA H100 80GB HBM3", "Intel(R) Xeon(R) Processor, 2 cores"} <= set(timed_on(matrix))
    sections = dict(
        part.partition("\n")[::2] for part in (SCRIPTS / "results" / "README.md").read_text().split("\n## ")[1:]
    )
    for path in sorted((SCRIPTS / "results").glob("*/*")):
        name = f"`{path.name}/`" if path.is_dir() else f"`{path.name}`"
        assert name in sections[path.parent.name], f"benchmarks/results/README.md does not tell of {path}"


def test_what_the_profiler_saw_is_split_at_the_flushes_and_not_at_small_fills(scripts):
    truth = scripts("timing_truth")
    events = [
        ("Memset (Device)", 0.0, 40.0),
        ("Memset (Device)", 50.0, 51.0),  # a workspace that the kernel clears
        ("kernel", 52.0, 152.0),
        ("Memset (Device)", 200.0, 240.0),
        ("kernel", 252.0, 352.0),
        ("aside", 300.0, 402.0),
    ]
    rounds = truth.split(list(reversed(events)))
    assert [[name for name, _, _ in one] for one in rounds] == [["Memset (Device)", "kernel"], ["kernel", "aside"]]
    assert [truth.busy_us(one) for one in rounds] == [101.0, 150.0]
    with pytest.raises(RuntimeError, match="no flush among 1 events"):
        truth.split([("kernel", 0.0, 1.0)])


@pytest.fixture
def on_pretend(scripts, monkeypatch, tmp_path):
    """`timing_truth` with a pretend GPU, one task and short series; its companion repeats a fixed answer."""
    truth, shared = scripts("timing_truth"), scripts("timing_shared")

    class Companion:
        def __init__(self, script, label, folder):
            self.label = label

        def ask(self, task):
            if task != "toy/scale":
                raise RuntimeError("no such task")
            return {"us": 1000.0, "kernels": ["steady"]}

        def close(self):
            pass

    monkeypatch.setattr(truth, "Session", lambda: Session(extra=[plugin(FaultyBackend())], discover=False))
    monkeypatch.setattr(truth, "Companion", Companion)
    monkeypatch.setattr(truth, "TASKS", ("toy/scale",))
    monkeypatch.setattr(truth, "LABELS", ("pretend:steady", "pretend:nowhere"))
    monkeypatch.setattr(truth, "SLOWED", "toy/scale")
    monkeypatch.setattr(truth, "SLOWED_LABEL", "pretend:steady")
    monkeypatch.setattr(truth, "COMPARISONS", 4)
    monkeypatch.setattr(truth, "SLOWER", 2)
    monkeypatch.setattr(truth, "SLOW_SOURCE", SLOW)
    monkeypatch.setattr(truth, "TIMING", TimingPolicy(minimum=3, maximum=3))
    monkeypatch.setattr(truth, "COMPARING", ComparePolicy(block=1, minimum=7, maximum=8))
    monkeypatch.setattr(
        truth, "cases_of", lambda session: {"toy/scale": session.catalogue.task("toy/scale").cases()[0]}
    )
    monkeypatch.setattr(shared, "REPEATS", 2)
    monkeypatch.setattr(shared, "COMPANION_TURNS", (0, 1))
    monkeypatch.setattr(shared, "CALIBRATING", 1)
    return truth


def test_every_question_is_answered_and_what_fails_is_kept_beside_the_rest(on_pretend, tmp_path, capsys):
    shared = importlib.import_module("timing_shared")
    results = on_pretend.measure(shared.Answers(tmp_path / "out" / "timing_truth.json", 60.0))
    assert list(results["errors"]) == ["pretend:nowhere"]
    (row,) = results["truth"]
    assert (row["task"], row["label"], row["clock"]) == ("toy/scale", "pretend:steady", "pretend")
    assert row["median_us"] == pytest.approx(1000, rel=1e-3)
    assert row["off"] == pytest.approx(row["median_us"] / 1000 - 1, abs=1e-5)
    assert [row["outcomes"] for row in results["same"]] == [{"equivalent": 2}]
    assert [row["outcomes"] for row in results["slower"]] == [{"slower": 2}, {"slower": 2}]
    assert [row["ratio"] for row in results["slower"]] == pytest.approx([1.01, 1.02], abs=1e-4)
    assert json.loads((tmp_path / "out" / "timing_truth.json").read_text()) == json.loads(json.dumps(results))
    missed = on_pretend.show(results)
    assert [one.partition(":")[0] for one in missed[:2]] == ["pretend", "toy/scale on pretend"]
    assert "A/A: 0 of 2 called different" in capsys.readouterr().out


def test_a_spent_budget_leaves_the_goals_missed(on_pretend, tmp_path):
    shared = importlib.import_module("timing_shared")
    results = on_pretend.measure(shared.Answers(None, 0.0))
    assert all("the time was spent before this question" in error for error in results["errors"].values())
    assert any("0 of 4 comparisons were made" in one for one in on_pretend.show(results))


@pytest.mark.parametrize("name", ["timing_truth", "timing_cpu"])
def test_the_slowed_kernels_source_compiles(scripts, name):
    script = scripts(name)
    compile(script.SLOW_SOURCE.format(amount=script.AMOUNTS[1]), name, "exec")


def test_the_companion_on_a_cpu_times_real_calls(scripts, tmp_path):
    cpu, shared = scripts("timing_cpu"), scripts("timing_shared")
    session = Session()
    shared.save_inputs(session, cpu.cases_of(session), tmp_path)
    answer = cpu.Looped("cpu_ref:numpy", cpu.cases_of, tmp_path)("activation/softmax")
    assert answer["loop"] > 0
    assert answer["thread"] <= 1.05 * answer["loop"]


def test_throughput_answers_every_question_and_writes_after_each(scripts, monkeypatch, tmp_path, capsys):
    throughput, isolation = scripts("throughput"), scripts("isolation")
    small = typical(rows=8, cols=16)
    monkeypatch.setattr(throughput, "SHAPE", small)
    monkeypatch.setattr(isolation, "SHAPE", small)
    monkeypatch.setattr(isolation, "ROWS_COLS", (8, 16))
    monkeypatch.setattr(throughput, "CASCADE", Cascade(draws=1, timing="short", hunt=False))
    written = []

    def process(name):
        written.append(scripts("committed").read(tmp_path, "throughput.json"))
        return 1.5

    monkeypatch.setattr(throughput, "_process", process)
    results = throughput.measure(["cpu_ref"], 0.1, 2, 1, tmp_path)
    assert "a_minute" in written[0]["backends"]["cpu_ref"]
    assert scripts("committed").read(tmp_path, "throughput.json") == results
    one = results["backends"]["cpu_ref"]
    assert one["fresh_s"] == 1.5
    assert one["failed"] == 0
    assert one["a_minute"] > 0
    assert set(one["stages_s"]) == set(throughput.STAGES)
    assert set(one["isolation"]["candidate"]["steps_ms"]) == set(isolation.STEPS)
    del one["fresh_s"]
    one["isolation"]["candidate"]["cost_ms"] = 61.0
    assert throughput.show(results) == ["cpu_ref: measured in part only", "cpu_ref: isolation costs 61 ms, 60 allowed"]
    one |= {"fresh_s": 1.0, "failed": 1, "kind": "gpu", "a_minute": 119.0}
    missed = throughput.show(results | {"backends": {"triton": one}})
    assert missed[0].startswith("triton: 1 of ")
    assert missed[1:] == ["triton: 119 a minute, 120 wanted"]
    one |= {"failed": 0, "a_minute": 120.0, "alone_device_s": [1e-5, 1e-5], "device_s": [1.1e-5]}
    assert throughput.show(results | {"backends": {"triton": one}}) == [
        "triton: device times beside others are 1.100 of those alone"
    ]
    assert throughput.show(results | {"backends": {}}) == ["nothing was evaluated"]
    assert "a minute" in capsys.readouterr().out


def test_faults_are_tried_written_and_their_misses_named(scripts, tmp_path, capsys):
    faults = scripts("faults")
    results = faults.attempt(["cpu_ref"], "exit without", tmp_path, 2)
    (row,) = results["faults"]
    assert (row["wrong"], row["after"], row["left"]) == ("", "", [])
    assert row["message"] == "the worker died: exit status 0"
    assert scripts("committed").read(tmp_path, "faults.json") == results
    assert faults.show(results) == []
    row |= {"wrong": "passed, expected error", "after": "failed: bound", "left": ["process 7"]}
    assert faults.show(results) == [
        "exit without a word on cpu_ref: passed, expected error",
        "exit without a word on cpu_ref: the next candidate, failed: bound",
        "exit without a word on cpu_ref: left behind: process 7",
    ]
    assert faults.show(results | {"faults": []}) == ["nothing was tried"]
    assert "MISSED exit without a word" in capsys.readouterr().out


def test_an_interrupted_red_team_is_no_success(scripts, tmp_path):
    redteam = scripts("redteam")
    results = redteam.attempt("plain-cpu_ref", False, 1, tmp_path)
    assert scripts("committed").read(tmp_path, "redteam.json") == results
    assert redteam.show(results) == []
    assert redteam.show(results | {"planned": 3}) == ["2 candidates were not tried: interrupted"]
