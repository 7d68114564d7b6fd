"""Who agrees with whom: the outlier is named, and so is a reference that stands alone."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from kparity import Implementation, NothingEvaluatedError, Problem, Session, edge, hookimpl, kernel_spec, perf, typical
from kparity.agreement import agree, compare_outputs, select
from kparity.options import Options


@kernel_spec(
    "demo/agreement",
    inputs={"x": "rows cols : float32"},
    outputs={"y": "rows cols : float32", "place": "rows : int32"},
    cases=[edge(rows=3, cols=5), typical(rows=9, cols=50), perf(rows=8192, cols=512)],
    independent="rows",
)
def agreement(x):
    """Twice x, and the place of the largest in each row."""
    return 2 * x, np.argmax(x, axis=-1)


def right(problem):
    x = problem.inputs[0]
    return 2 * x, np.argmax(x, axis=-1).astype(np.int32)


def wrong(problem, where=np.s_[0, 0], value=100.0):
    y, place = right(problem)
    y[where] = value
    return y, place


@pytest.fixture(scope="module")
def problem():
    return Problem.pose(agreement, agreement.cases()[1], 5)


def test_the_outlier_is_named(problem):
    found = compare_outputs(
        problem, {"a": right(problem), "b": wrong(problem), "c": right(problem)}, {"d": "no device"}
    )
    assert found.outliers == ("b",)
    assert found.summary == "b lies outside the bound"
    assert found.between("a", "c") == 0
    assert found.between("a", "b") == found.between("b", "c") > 1000
    assert found.left_out == {"d": "no device"}
    assert not found.suspect_reference


def test_a_reference_that_stands_alone_is_suspected(problem):
    same = {label: wrong(problem) for label in "ab"}
    assert compare_outputs(problem, same, {}).suspect_reference
    assert "suspect the reference" in compare_outputs(problem, same, {}).summary
    assert not compare_outputs(problem, {"a": wrong(problem)}, {}).suspect_reference


def test_wrong_ones_that_agree_are_said_to(problem):
    found = compare_outputs(problem, {"a": right(problem), "b": wrong(problem), "c": wrong(problem)}, {})
    assert found.summary == "b, c lie outside the bound, and they agree with each other"


def test_integers_and_values_that_are_not_finite_are_infinitely_far(problem):
    y, place = right(problem)
    found = compare_outputs(
        problem, {"nan": wrong(problem, value=np.nan), "place": (y, place + 1), "right": (y, place)}, {}
    )
    assert found.outliers == ("nan", "place")
    assert math.isinf(found.to_oracle[0])
    assert math.isinf(found.between("place", "right"))
    assert found.between("nan", "nan") == 0


def test_large_cases_are_compared_on_the_sample():
    problem = Problem.pose(agreement, agreement.cases()[2], 5)
    assert problem.parts
    found = compare_outputs(problem, {"a": right(problem), "b": wrong(problem, where=np.s_[-1, :])}, {})
    assert found.outliers == ("b",)


def test_implementations_that_raise_are_left_out_with_the_reason():
    plugin = SimpleNamespace(
        register_tasks=hookimpl(lambda: [agreement]),
        register_implementations=hookimpl(
            lambda: [
                Implementation(agreement.name, "cpu_ref", f"{__name__}:off", "off"),
                Implementation(agreement.name, "cpu_ref", f"{__name__}:raises", "raises"),
                Implementation(agreement.name, "cpu_ref", f"{__name__}:narrow", "narrow"),
            ]
        ),
        __name__="agreeing",
    )
    (found,) = agree(
        Session(extra=[plugin]),
        agreement.name,
        backends=["cpu_ref"],
        options=Options(seed=3, isolation="inline"),
    )
    assert found.case == "rows=9,cols=50"
    assert set(found.labels) == {"cpu_ref:numpy", "cpu_ref:off"}
    assert found.outliers == ("cpu_ref:off",)
    assert "ValueError: no" in found.left_out["cpu_ref:raises"]
    assert found.left_out["cpu_ref:narrow"].startswith(
        "returned float16[9, 50], int32[9], declared is y float32[9, 50]"
    )


def off(x):
    return 2 * x + np.float32(1), np.argmax(x, axis=-1).astype(np.int32)


def raises(x):
    raise ValueError("no")


def narrow(x):
    return (2 * x).astype(np.float16), np.argmax(x, axis=-1).astype(np.int32)


def test_cases_are_chosen_by_key_or_dtype():
    spec = Session().catalogue.task("activation/softmax")
    assert [case.key for case in select(spec, (), ("float16",))] == ["rows=128,cols=4096,T=float16"]
    assert [case.key for case in select(spec, ("rows=3,*",), ("bfloat16",))] == ["rows=3,cols=1023,T=bfloat16"]
    with pytest.raises(NothingEvaluatedError, match="no case of activation/softmax matches"):
        select(spec, ("rows=4,*",), ())


def test_the_command_prints_the_matrix_and_the_finding(capsys):
    from kparity.cli import main

    arguments = ["agree", "reduce/logsumexp", "-b", "cpu_ref", "--case", "rows=3,*float32", "--seed", "1"]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    printed = capsys.readouterr().out
    assert ended.value.code == 0
    assert "all lie within the bound of the oracle" in printed
    assert "cpu_ref:numba" in printed
    with pytest.raises(SystemExit):
        main([*arguments, "--json"])
    (found,) = json.loads(capsys.readouterr().out)
    assert found["labels"] == ["cpu_ref:numpy", "cpu_ref:numba"]
    assert max(found["to_oracle"]) <= 1
