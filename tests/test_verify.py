"""The verifier: exact signature, non-finite values, unchanged inputs, and how checks combine."""

from __future__ import annotations

import numpy as np
import pytest

from kparity import Check, CheckResult, Evidence, Problem, edge, integers, kernel_spec, normal, tensor
from kparity.verify import MANDATORY, judge


def problem_of(reference, *, kind="float32", out=None, distribution=None, rows=3, cols=4):
    """A small problem whose inputs are x and, where the reference takes one, w."""
    names = reference.__code__.co_varnames[: reference.__code__.co_argcount]
    spec = kernel_spec(
        "demo/verify",
        inputs={name: tensor(f"rows cols : {kind}", distribution) for name in names},
        outputs=out or {"y": f"rows cols : {kind}"},
        cases=[edge(rows=rows, cols=cols)],
    )(reference)
    return Problem.pose(spec, spec.cases()[0], 11)


def halve(x):
    """Half of x."""
    return x / 2


def reciprocal(x):
    """Reciprocal, with poles."""
    return 1 / np.where(np.arange(x.shape[1]) == 1, x * 0, x)


def special(x):
    """NaN, both infinities and ordinary numbers in each row."""
    pattern = np.array([np.nan, np.inf, -np.inf, 1], dtype=x.dtype)
    return x + pattern


def statuses(verdict):
    return {check.name: check.status for check in verdict.checks}


def test_what_is_right_passes_all_mandatory_checks_by_name():
    problem = problem_of(halve)
    verdict = judge(Evidence(problem, (problem.inputs[0] / 2,), problem.inputs_digest))
    assert verdict.status == "passed"
    assert statuses(verdict) == dict.fromkeys(["signature", "inputs_unchanged", "non_finite", "bound"], "passed")
    assert verdict.message == ""
    assert verdict.checks[-1].details["worst_error_over_bound"] <= 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda y: (), "returned 0 outputs, 1 are declared"),
        (lambda y: (y, y), "returned 2 outputs, 1 are declared"),
        (lambda y: (y[:2],), "output 'y' is float32[2, 4], declared is float32[3, 4]"),
        (lambda y: (y.T.copy(),), "output 'y' is float32[4, 3], declared is float32[3, 4]"),
        (lambda y: (y[None],), "output 'y' is float32[1, 3, 4], declared is float32[3, 4]"),
        (lambda y: (y.ravel(),), "output 'y' is float32[12], declared is float32[3, 4]"),
        (lambda y: (y.astype(np.float64),), "output 'y' is float64[3, 4], declared is float32[3, 4]"),
        (lambda y: (y.astype(np.float16),), "output 'y' is float16[3, 4], declared is float32[3, 4]"),
        (lambda y: (y.astype(">f4"),), "output 'y' is float32[3, 4]"),
    ],
)
def test_count_shape_and_dtype_must_be_exact_even_where_the_values_are_right(change, complaint):
    problem = problem_of(halve)
    verdict = judge(Evidence(problem, change(problem.inputs[0] / 2), problem.inputs_digest))
    assert verdict.status == "failed"
    assert verdict.message.startswith(f"signature: {complaint}")
    assert statuses(verdict) == {"signature": "failed"}


def test_two_narrow_formats_of_the_same_width_are_not_confused():
    problem = problem_of(halve, kind="bfloat16")
    right = (problem.inputs[0].astype(np.float32) / 2).astype(problem.inputs[0].dtype)
    assert judge(Evidence(problem, (right,), problem.inputs_digest)).status == "passed"
    for other in (right.astype(np.float16), right.view(np.uint16)):
        assert judge(Evidence(problem, (other,), problem.inputs_digest)).message.startswith("signature: ")


def test_modified_inputs_fail_even_where_the_output_is_right():
    problem = problem_of(halve)
    verdict = judge(Evidence(problem, (problem.inputs[0] / 2,), "0" * 16))
    assert verdict.status == "failed"
    assert statuses(verdict) == {"signature": "passed", "inputs_unchanged": "failed"} | dict.fromkeys(
        ["non_finite", "bound"], "passed"
    )
    assert "modified its inputs" in verdict.message


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((0, 0), 1.0),
        ((1, 0), np.inf),
        ((0, 1), np.nan),
        ((2, 1), -np.inf),
        ((0, 1), 3e4),
        ((1, 2), np.inf),
        ((2, 3), np.nan),
        ((0, 3), np.inf),
    ],
)
def test_nan_and_infinity_must_match_in_place_and_sign(kind, place, value):
    problem = problem_of(special, kind=kind)
    y = problem.oracle[0].astype(problem.inputs[0].dtype)
    assert judge(Evidence(problem, (y,), problem.inputs_digest)).status == "passed"
    y[place] = value
    verdict = judge(Evidence(problem, (y,), problem.inputs_digest))
    assert verdict.status == "failed"
    assert statuses(verdict)["non_finite"] == "failed"
    assert f"at {list(place)} got " in verdict.message


def test_what_overflows_the_output_dtype_is_wanted_as_infinity():
    def grow(x):
        """Far beyond float16."""
        return x * 1e6

    problem = problem_of(grow, kind="float16")
    infinite = np.copysign(np.float16(np.inf), problem.inputs[0])
    assert judge(Evidence(problem, (infinite,), problem.inputs_digest)).status == "passed"
    largest = np.copysign(np.finfo(np.float16).max, problem.inputs[0])
    assert judge(Evidence(problem, (largest,), problem.inputs_digest)).status == "failed"


def test_a_wrong_value_is_shown_with_place_wanted_and_allowed():
    problem = problem_of(halve)
    y = problem.inputs[0] / 2
    y[2, 1] += np.float32(0.5)
    verdict = judge(Evidence(problem, (y,), problem.inputs_digest))
    assert "1 of 12 elements of 'y' are off; worst at [2, 1]: got " in verdict.message
    details = verdict.checks[-1].details
    assert (details["wrong"], details["of"], details["worst_index"], details["output"]) == (1, 12, "[2, 1]", "y")
    assert details["got"] == float(y[2, 1])
    assert details["wanted"] == pytest.approx(float(y[2, 1]) - 0.5)
    assert 0 < details["bound"] < 1e-6


@pytest.mark.parametrize("kind", ["int8", "int32", "int64", "uint8", "bool"])
def test_integers_must_be_equal(kind):
    def same(x):
        """x itself."""
        return x

    problem = problem_of(same, kind=kind, distribution=integers(0, 2))
    y = problem.inputs[0].copy()
    assert judge(Evidence(problem, (y,), problem.inputs_digest)).status == "passed"
    y[1, 2] ^= 1
    verdict = judge(Evidence(problem, (y,), problem.inputs_digest))
    assert verdict.status == "failed"
    assert "worst at [1, 2]" in verdict.message


def test_large_integers_that_float64_cannot_tell_apart_must_be_equal_too():
    def same(x):
        """x itself."""
        return x

    problem = problem_of(same, kind="int64", distribution=integers(2**60, 2**60 + 1000))
    y = problem.inputs[0].copy()
    y[0, 3] += 1
    assert float(y[0, 3]) == float(problem.inputs[0][0, 3])
    verdict = judge(Evidence(problem, (y,), problem.inputs_digest))
    assert verdict.status == "failed"
    assert f"got {y[0, 3]}, wanted {y[0, 3] - 1}" in verdict.message


def test_every_output_is_examined():
    def both(x):
        """Half and twice."""
        return x / 2, x * 2

    problem = problem_of(both, out={"half": "rows cols : float32", "twice": "rows cols : float32"})
    half, twice = problem.inputs[0] / 2, problem.inputs[0] * 2
    assert judge(Evidence(problem, (half, twice), problem.inputs_digest)).status == "passed"
    assert "'half'" in judge(Evidence(problem, (twice, half), problem.inputs_digest)).message
    assert "'twice'" in judge(Evidence(problem, (half, half), problem.inputs_digest)).message


class Says(Check):
    """A check that says what it was told to, or raises it."""

    def __init__(self, name, answer):
        self.name = name
        self.answer = answer

    def examine(self, evidence):
        if isinstance(self.answer, Exception):
            raise self.answer
        return CheckResult(self.name, self.answer, f"{self.name} is {self.answer}")


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        ("passed", "passed", ""),
        ("failed", "failed", "extra: extra is failed"),
        ("inconclusive", "inconclusive", "extra: extra is inconclusive"),
        (LookupError("no table"), "inconclusive", "extra: the check raised LookupError: no table"),
    ],
)
def test_an_extra_check_is_one_more_condition(answer, status, message):
    problem = problem_of(halve)
    verdict = judge(Evidence(problem, (problem.inputs[0] / 2,), problem.inputs_digest), [Says("extra", answer)])
    assert (verdict.status, verdict.message) == (status, message)
    assert [check.name for check in verdict.checks][-1] == "extra"


@pytest.mark.parametrize("name", [check.name for check in MANDATORY])
def test_no_extra_check_can_replace_or_outvote_a_mandatory_one(name):
    problem = problem_of(special)
    right = problem.oracle[0].astype(np.float32)
    wrong = {
        "signature": Evidence(problem, (right[:, :2],), problem.inputs_digest),
        "inputs_unchanged": Evidence(problem, (right,), "0" * 16),
        "non_finite": Evidence(problem, (np.zeros_like(right),), problem.inputs_digest),
        "bound": Evidence(problem, (right + np.float32(1),), problem.inputs_digest),
    }[name]
    verdict = judge(wrong, [Says(check.name, "passed") for check in MANDATORY])
    assert verdict.status == "failed"
    assert (name, "failed") in [(check.name, check.status) for check in verdict.checks]


def test_a_mandatory_check_that_raises_is_inconclusive_not_passed(monkeypatch):
    problem = problem_of(halve)

    def broken(self, evidence):
        raise MemoryError("too much")

    monkeypatch.setattr(type(MANDATORY[-1]), "examine", broken)
    verdict = judge(Evidence(problem, (problem.inputs[0] / 2,), problem.inputs_digest))
    assert verdict.status == "inconclusive"
    assert "bound: the check raised MemoryError: too much" in verdict.message


def test_poles_of_the_oracle_are_no_excuse_for_the_other_elements():
    problem = problem_of(reciprocal, distribution=normal(3, 0.5))
    with np.errstate(divide="ignore"):
        y = reciprocal(problem.inputs[0])
    assert judge(Evidence(problem, (y,), problem.inputs_digest)).status == "passed"
    y[0, 0] *= np.float32(1.001)
    assert judge(Evidence(problem, (y,), problem.inputs_digest)).status == "failed"
