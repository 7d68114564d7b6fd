"""Admission of tasks: mutants, honest realizations, and a task whose contract cannot tell them apart."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kparity import Session, edge, integers, kernel_spec, normal, tensor, typical
from kparity.admission import examine
from kparity.honest import variants
from kparity.mutants import mutants

SEED = 7


def mean_of(x):
    """Mean of each row."""
    return np.mean(x, axis=-1)


def _last_left_out(x):
    """Wrong: the last column is left out."""
    return np.mean(x[:, :-1], axis=-1) if x.shape[1] > 1 else x[:, 0]


def _half_wrong(x):
    """Called honest, and wrong by a percent."""
    return np.mean(x, axis=-1) * x.dtype.type(1.01)


def row_means(**changes):
    declared = {
        "inputs": {"x": tensor("rows cols : T", normal(1.0, 2.0))},
        "outputs": {"y": "rows : T"},
        "dtypes": {"T": ("float32", "bfloat16")},
        "cases": [edge(rows=1, cols=1), edge(rows=5, cols=333), typical(rows=32, cols=512)],
        "axes": {"rows": range(1, 100), "cols": range(1, 600)},
        "mutants": [_last_left_out],
    }
    return kernel_spec("demo/row_means", **{**declared, **changes})(mean_of)


def test_a_sound_task_is_admitted():
    (result,) = examine(row_means(), seed=SEED)
    assert result.admitted, (result.survivors, result.refused)
    assert result.dtypes == ("float32", "bfloat16")
    fates = {one.name: one for one in result.mutants}
    assert fates["last_left_out"].outcome == "refused"
    assert fates["zeros"].case
    assert fates["reversed order of x along axis 1"].outcome == "same"
    assert fates["x ignored: zeros"].outcome == "refused"
    assert {one.outcome for one in result.mutants} <= {"refused", "same", "none"}
    assert result.applicable > 20
    assert result.tried >= 12


def test_a_mutant_that_is_the_function_itself_is_no_mutant():
    (result,) = examine(row_means(mutants=[mean_of]), seed=SEED, dtypes=["float32"])
    assert {one.name: one.outcome for one in result.mutants}["mean_of"] == "same"


def test_a_task_whose_inputs_tell_nothing_is_not_admitted():
    blind = row_means(inputs={"x": tensor("rows cols : T", integers(0, 1))}, mutants=[])
    (result,) = examine(blind, seed=SEED, dtypes=["float32"])
    assert not result.admitted
    assert {"zeros", "constant", "negated", "stale output of another draw"} <= {one.name for one in result.survivors}
    assert "the inputs tell nothing" in result.survivors[0].why


def test_a_contract_that_allows_too_much_lets_mutants_live():
    def too_large(x):
        """Mean of each row and a thousandth more."""
        return np.mean(x, axis=-1) * x.dtype.type(1.001)

    (loose,) = examine(row_means(variants=[too_large]), seed=SEED, dtypes=["float32"])
    assert "scaled by 1 + 1e-3" in {one.name for one in loose.survivors}
    assert not loose.admitted


def test_an_honest_realization_that_is_not_is_refused_with_the_case():
    (result,) = examine(row_means(honest=[_half_wrong]), seed=SEED, dtypes=["float32"])
    assert [one.name for one in result.refused] == ["half_wrong", "half_wrong, 32 lanes"]
    assert result.refused[0].case.startswith("rows=")
    assert "are off" in result.refused[0].why
    assert not result.admitted


def test_other_judges_see_the_same_outputs():
    def lenient(problem, outputs):
        return "" if np.allclose(outputs[0].astype(float), problem.oracle[0], 0.05, 0.05) else "far off"

    results = examine(row_means(), seed=SEED, dtypes=["float32"], judges={"lenient": lenient, "never": lambda *_: ""})
    by_name = {one.judge: one for one in results}
    assert [one.name for one in by_name["lenient"].mutants] == [one.name for one in by_name["never"].mutants]
    assert "scaled by 1 + 1e-3" in {one.name for one in by_name["lenient"].survivors}
    assert not by_name["never"].admitted
    assert len(by_name["never"].survivors) == by_name["never"].applicable


def test_every_mutant_and_realization_has_a_name_of_its_own():
    for spec in Session().catalogue.tasks.values():
        for named in (mutants(spec), variants(spec)):
            names = [one.name for one in named]
            assert len(set(names)) == len(names), spec.name


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "largest"), [("float32", 1 << 13), ("float16", 1 << 12), ("bfloat16", 1 << 12)])
def test_bundled_tasks_are_admitted_on_their_small_cases(dtype, largest):
    wrong = []
    for spec in Session().catalogue.tasks.values():
        (result,) = examine(spec, seed=SEED, dtypes=[dtype], largest=largest)
        wrong += [(spec.name, "survives", one.name) for one in result.survivors]
        wrong += [(spec.name, "refused", one.name, one.case, one.why) for one in result.refused]
    assert wrong == []


@pytest.mark.slow
def test_the_command_names_survivors_and_exits_1(cli):
    good = cli("check-tasks", "broadcast/add_bias", "-d", "bfloat16", "--largest", "5000", "--seed", "1")
    assert good.status == 0, good.err
    assert "admitted" in good.out
    data = json.loads(cli("check-tasks", "broadcast/add_bias", "-d", "bfloat16", "--largest", "99", "--json").out)
    assert data["admissions"][0]["task"] == "broadcast/add_bias"
    assert {one["outcome"] for one in data["admissions"][0]["mutants"]} <= {"refused", "same", "none"}


@pytest.mark.slow
def test_the_command_refuses_a_bad_task(cli, monkeypatch):
    monkeypatch.setattr("kparity.admission.OURS", {"kparity": lambda problem, outputs: ""})
    monkeypatch.setitem(examine.__kwdefaults__, "judges", {"kparity": lambda problem, outputs: ""})
    bad = cli("check-tasks", "broadcast/add_bias", "-d", "float32", "--largest", "99", "--seed", "1")
    assert bad.status == 1
    assert "mutant survives: zeros" in bad.out
