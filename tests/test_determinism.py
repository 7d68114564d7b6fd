"""Repeated executions on the same inputs: the same bytes, within the bound, or divergent."""

from __future__ import annotations

import numpy as np
import pytest

from kparity import Options, Problem, Session, edge, kernel_spec
from kparity.determinism import examine, repeats_of


@kernel_spec("demo/third", inputs={"x": "n : float32"}, outputs={"y": "n : float32"}, cases=[edge(n=100)])
def third(x):
    """A third of x."""
    return x / 3


@pytest.fixture(scope="module")
def problem():
    return Problem.pose(third, third.cases()[0], 3)


def test_the_class_follows_from_the_bytes_and_the_bound(problem):
    y = problem.inputs[0] / 3
    digest = problem.inputs_digest
    near = np.nextafter(y, np.float32(0))
    assert examine(problem, (y,), [((y.copy(),), digest)] * 2)[0] == "bitwise"
    kind, check = examine(problem, (y,), [((y.copy(),), digest), ((near,), digest)])
    assert (kind, check.status, check.details["executions"]) == ("within_bound", "passed", 3)
    kind, check = examine(problem, (y,), [((near,), digest), ((y + 1,), digest)])
    assert (kind, check.status) == ("divergent", "failed")
    assert check.message.startswith("execution 3 of 3 on the same inputs does not pass: bound: 100 of 100 elements")


def test_equal_bytes_do_not_hide_inputs_that_a_later_execution_changed(problem):
    y = problem.inputs[0] / 3
    kind, check = examine(problem, (y,), [((y,), "0123456789abcdef")])
    assert kind == "divergent"
    assert "inputs_unchanged" in check.message


def test_nan_is_compared_by_its_bytes_and_another_shape_diverges(problem):
    y = problem.inputs[0] / 3
    assert examine(problem, (y,), [((y[:-1],), problem.inputs_digest)])[0] == "divergent"


@pytest.mark.parametrize(
    ("role", "candidate", "emulated", "expected"),
    [
        ("edge", True, False, 2),
        ("perf", True, False, 2),
        ("typical", False, False, 2),
        ("edge", False, False, 0),
        ("perf", False, False, 0),
        ("typical", True, True, 0),
    ],
)
def test_candidates_and_typical_cases_are_repeated_unless_emulated(role, candidate, emulated, expected):
    assert repeats_of(role, 2, candidate=candidate, emulated=emulated) == expected


STATEFUL = """
import numpy as np
calls = 0
def logsumexp(x):
    global calls
    calls += 1
    top = x.max(-1)
    y = top + np.log(np.exp(x - top[:, None]).sum(-1))
    return {change}
"""


@pytest.mark.parametrize(
    ("change", "status", "determinism"),
    [
        ("y", "passed", "bitwise"),
        ("y if calls < 2 else np.nextafter(y, np.float32(99))", "passed", "within_bound"),
        ("y if calls < 3 else y + np.float32(1)", "failed", "divergent"),
    ],
)
@pytest.mark.parametrize("isolation", ["process", "inline"])
def test_candidates_that_keep_state_are_found_out(change, status, determinism, isolation):
    session = Session()
    outcome = session.evaluate(
        "reduce/logsumexp",
        "cpu_ref",
        STATEFUL.format(change=change),
        cases=["rows=3,cols=1023,T=float32"],
        options=Options(timing=None, seed=4, isolation=isolation),
    )
    (record,) = outcome.evaluations
    assert (record.status, record.determinism) == (status, determinism)
    assert record.verdict.checks[-1].name == "determinism"


def test_no_repeats_no_class():
    outcome = Session().evaluate(
        "reduce/logsumexp",
        "cpu_ref",
        STATEFUL.format(change="y"),
        cases=["rows=3,cols=1023,T=float32"],
        options=Options(timing=None, seed=4, repeats=0, isolation="inline"),
    )
    assert outcome.evaluations[0].determinism is None
    assert {check.name for check in outcome.evaluations[0].verdict.checks} >= {"signature", "bound"}


def test_a_later_call_that_raises_is_an_error():
    outcome = Session().evaluate(
        "reduce/logsumexp",
        "cpu_ref",
        STATEFUL.format(change="y if calls < 2 else y.nonsense"),
        cases=["rows=3,cols=1023,T=float32"],
        options=Options(timing=None, seed=4),
    )
    (record,) = outcome.evaluations
    assert record.status == "error"
    assert "when called again: AttributeError" in record.verdict.message
