"""Figures for people: normalised error and ulps of an output, what the record keeps of a failure and what is shown."""

from __future__ import annotations

import numpy as np
import pytest

from kparity import Evidence, Problem, Session, edge, kernel_spec, perf, read_run
from kparity.accuracy import accuracy
from kparity.records import ULP_BINS
from kparity.report import MatrixReporter
from kparity.verify import judge


@kernel_spec(
    "demo/double",
    inputs={"x": "rows cols : float32"},
    outputs={"y": "rows cols : float32", "sign": "rows cols : int32"},
    cases=[edge(rows=5, cols=64), perf(rows=8192, cols=512)],
    independent="rows",
)
def double(x):
    """Twice x, and its sign."""
    return 2 * x, np.sign(x).astype(np.int64)


@pytest.fixture(scope="module")
def problem():
    return Problem.pose(double, double.cases()[0], 3)


def right(problem):
    x = problem.inputs[0]
    return [2 * x, np.sign(x).astype(np.int32)]


def test_an_exact_output_has_no_error_and_integers_have_no_figures(problem):
    (figures,) = accuracy(problem, tuple(right(problem)))
    assert figures.output == "y"
    assert (figures.relative_l2, figures.worst_ulps, figures.compared) == (0.0, 0.0, 320)
    assert figures.ulps == (320, 0, 0, 0, 0, 0, 0, 0, 0)


def test_errors_are_counted_in_ulps_of_the_output_and_normalised_as_a_whole(problem):
    y, sign = right(problem)
    y[0, 0] = np.nextafter(y[0, 0], np.float32(np.inf))
    y[1, :3] *= np.float32(1 + 2**-12)
    (figures,) = accuracy(problem, (y, sign))
    assert figures.ulps[0] == 316
    assert figures.ulps[ULP_BINS.index(1.0)] == 1
    assert sum(figures.ulps[ULP_BINS.index(4096.0) - 1 :]) == 3
    truth = problem.oracle[0]
    expected = np.linalg.norm(y.astype(np.float64) - truth) / np.linalg.norm(truth)
    assert figures.relative_l2 == pytest.approx(expected, rel=1e-12)


def test_what_is_not_finite_is_left_out_and_wild_values_break_nothing(problem):
    y, sign = right(problem)
    y[0, :2] = np.nan, np.inf
    y[1, 0] = np.finfo(np.float32).max
    (figures,) = accuracy(problem, (y, sign))
    assert figures.compared == 318
    assert figures.ulps[-1] == 1
    zeros = kernel_spec("demo/nothing", inputs={"x": "n : float32"}, outputs={"y": "n : float32"}, cases=[edge(n=4)])(
        nothing
    )
    (unknown,) = accuracy(Problem.pose(zeros, zeros.cases()[0], 1), (np.ones(4, np.float32),))
    assert unknown.relative_l2 is None


def nothing(x):
    """Zeros."""
    return 0 * x


def test_of_a_sampled_case_the_sample_is_compared():
    problem = Problem.pose(double, double.cases(roles=["perf"])[0], 3)
    y, sign = right(problem)
    (figures,) = accuracy(problem, (y, sign))
    assert figures.compared == sum(part.oracle[0].size for part in problem.parts) < y.size
    assert figures.worst_ulps == 0


def test_a_failure_says_how_wrong_where_and_draws_a_map(problem):
    y, sign = right(problem)
    y[:, 60:] = 0
    verdict = judge(Evidence(problem, (y, sign), problem.inputs_digest))
    details = verdict.checks[-1].details
    assert details["ulps"] > 1e6
    assert details["pattern"] == "the tail: the last 4 of 64 columns of every row"
    assert details["map"].splitlines() == ["·" * 30 + "██"] * 5
    assert verdict.message.endswith("the tail: the last 4 of 64 columns of every row")
    assert "ulps off" in verdict.message
    y[2, 7] = np.nan
    (non_finite,) = [
        check
        for check in judge(Evidence(problem, (y, sign), problem.inputs_digest)).checks
        if check.name == "non_finite"
    ]
    assert non_finite.details["pattern"] == "a single element"
    assert non_finite.details["worst_index"] == "[2, 7]"


SOURCE = """import numpy as np
def softmax(x):
    y = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    y[:, 7:] = 0
    return y
"""


def test_records_keep_figures_and_the_report_shows_the_map(tmp_path):
    session = Session()
    outcome = session.evaluate(
        "activation/softmax", "cpu_ref", SOURCE, cases=["rows=65537,cols=8,T=float32"], out=tmp_path / "run"
    )
    assert outcome.status == "failed"
    info, (record,) = read_run(tmp_path / "run")
    assert record == outcome.evaluations[0]
    (figures,) = record.accuracy
    assert figures.relative_l2 > 0.1
    assert sum(figures.ulps) == figures.compared == 65537 * 8
    text = MatrixReporter().render(info, [record])
    assert "one column: 7 of 8 of every row" in " ".join(text.split())
    assert "|·······█|" in text
