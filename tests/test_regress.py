"""Two recorded runs held against each other: what became wrong or slow is found, noise and drift are not."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest
from recorded import CASES, CPU, GPU, record, write

from kparity import NothingEvaluatedError, UsageError, read_runs
from kparity.ratios import compare_series, series_confidence
from kparity.records import DeviceRef
from kparity.regress import DRIFT, regress


def compared(tmp_path, before, after, **options):
    old, new = write(tmp_path / "old", *before), write(tmp_path / "new", *after)
    return regress(read_runs([new]), read_runs([old]), **options)


def findings(found):
    return {(one.label, one.case): one.finding for one in found.changes}


def test_slower_faster_and_the_same_are_told_apart(tmp_path):
    labels = ("toy:slower", "toy:faster", "toy:same", "toy:drifted")
    factors = (1.2, 0.8, 1.0, 1 + DRIFT * 0.9)
    found = compared(
        tmp_path,
        [record(label, seconds=1e-3, noise=0.001) for label in labels],
        [record(label, seconds=1e-3 * factor, noise=0.001) for label, factor in zip(labels, factors, strict=True)],
    )
    assert {one.label: one.finding for one in found.changes} == {
        "toy:slower": "regressed",
        "toy:faster": "improved",
        "toy:same": "unchanged",
        "toy:drifted": "unchanged",
    }
    assert found.regressed
    assert found.compared == 4
    slower = found.changes[0]
    assert slower.ratio.estimate == pytest.approx(1.2)
    assert 1 < slower.ratio.low < 1.2 < slower.ratio.high


def test_noise_wider_than_the_difference_decides_nothing(tmp_path):
    found = compared(tmp_path, [record(seconds=1e-3, noise=0.5)], [record(seconds=1.1e-3, noise=0.5)])
    assert findings(found) == {("toy:good", CASES[0].key): "inconclusive"}
    assert not found.regressed


@pytest.mark.parametrize("status", ["failed", "error", "unsupported"])
def test_a_verdict_that_was_passed_regresses(tmp_path, status):
    found = compared(tmp_path, [record(seconds=1e-3)], [record(status=status)])
    assert found.regressed
    assert found.changes[0].message.startswith(f"was passed, is {status}")


def test_what_was_wrong_before_is_no_regression(tmp_path):
    before = [record("t:a", "failed"), record("t:b", "error"), record("t:c"), record("t:d", "unsupported")]
    after = [record("t:a"), record("t:b", "error"), record("t:d", "unsupported"), record("t:e", "failed")]
    found = compared(tmp_path, before, after)
    assert {one.label: one.finding for one in found.changes} == {
        "t:a": "improved",
        "t:b": "unchanged",
        "t:c": "missing",
        "t:d": "unchanged",
        "t:e": "new",
    }
    assert not found.regressed


def test_more_comparisons_need_more_evidence(tmp_path):
    one = compared(tmp_path / "1", [record(seconds=1e-3)], [record(seconds=1e-3)])
    many = compared(
        tmp_path / "2",
        [record(f"toy:{n}", seconds=1e-3) for n in range(50)],
        [record(f"toy:{n}", seconds=1e-3) for n in range(50)],
    )
    assert one.changes[0].confidence == pytest.approx(0.95)
    assert many.changes[0].confidence == pytest.approx(0.999)


def test_too_few_samples_are_told(tmp_path):
    def short(seconds):
        one = record(seconds=seconds)
        times = msgspec.structs.replace(one.measurements[0], samples_s=one.measurements[0].samples_s[:3])
        return msgspec.structs.replace(one, measurements=(times,))

    found = compared(tmp_path, [short(1e-3)], [short(2e-3)])
    assert found.changes[0].confidence == pytest.approx(0.9)
    assert found.regressed, "the extremes lie apart"
    assert "too few samples" in found.notes[0]


def test_only_like_is_compared_with_like(tmp_path):
    twin = DeviceRef("Fast GPU", "gpu", 1, "GPU-9")
    found = compared(tmp_path / "1", [record(seconds=1e-3)], [record(seconds=1e-3, device=twin)])
    assert "another piece of hardware" in found.notes[0]
    with pytest.raises(NothingEvaluatedError, match="in common"):
        compared(tmp_path / "2", [record(device=GPU)], [record(device=CPU)])


def test_drift_between_runs_alone_is_hardly_ever_called_a_regression():
    rng = np.random.default_rng(7)
    false = 0
    for _ in range(200):
        before, after = (1 + rng.uniform(-0.02, 0.02) + 0.01 * rng.standard_normal(20) for _ in range(2))
        false += compare_series(list(after), list(before), drift=DRIFT).outcome in ("slower", "faster")
    assert false == 0
    found = 0
    for _ in range(100):
        slow, quick = (list(level + 0.02 * rng.standard_normal(20)) for level in (1.15, 1.0))
        found += compare_series(slow, quick, drift=DRIFT).outcome == "slower"
    assert found >= 98


@pytest.mark.parametrize(("n", "m"), [(5, 5), (8, 12), (20, 20), (30, 40)])
def test_intervals_of_two_series_hold_as_often_as_they_say(n, m):
    rng = np.random.default_rng(n)
    held = 0
    for _ in range(400):
        a, b = np.exp(0.1 * rng.standard_normal(n)), np.exp(0.1 * rng.standard_normal(m))
        ratio = compare_series(list(a), list(b), drift=0.0, confidence=0.9).ratio
        held += ratio.low <= 1 <= ratio.high
    assert 0.86 <= held / 400 <= 0.97


def test_exact_ranks_are_scipys():
    from itertools import product

    from scipy.stats import mannwhitneyu

    for n, m in product((3, 5, 9), (4, 8)):
        first = [float(k) for k in range(n)]
        second = [float(k) + 1000 for k in range(m)]
        extreme = mannwhitneyu(first, second, method="exact").pvalue
        assert series_confidence(n, m) == pytest.approx(1 - extreme)
        low = compare_series([math.exp(0.01 * k) for k in first], [1.0] * m, drift=0.0, confidence=0.5).ratio.low
        assert low >= 1.0


def test_series_without_times_are_refused():
    for a, b in (([], [1.0]), ([1.0], [0.0])):
        with pytest.raises(UsageError, match="positive times"):
            compare_series(a, b, drift=0.0)


def test_the_command_writes_junit_and_markdown_and_exits_1(cli, tmp_path):
    old = write(tmp_path / "old", record(seconds=1e-3, noise=0.001), record("toy:was|right"))
    new = write(tmp_path / "new", record(seconds=2e-3, noise=0.001), record("toy:was|right", "failed"))
    junit, markdown = tmp_path / "junit.xml", tmp_path / "summary.md"
    done = cli("regress", new, "--against", old, "--junit", junit, "--markdown", markdown)
    assert done.status == 1
    assert "1.00 ms -> 2.00 ms" in done.out
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    messages = [failure.get("message") for failure in suite.iter("failure")]
    assert any("was passed, is failed" in message for message in messages)
    text = markdown.read_text()
    assert text.startswith("### kparity: regressions")
    assert "| regressed | toy:good | toy/scale |" in text
    assert cli("regress", old, "--against", old).status == 0
    assert cli("regress", old, "--against", tmp_path / "nowhere").status == 2
    assert cli("regress", old, "--against", old, "--drift", "5").status == 2
    assert cli("regress", old, "--against", old, "--junit", tmp_path / "no" / "such").status == 2
