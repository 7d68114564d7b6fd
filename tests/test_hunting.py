"""Hunting cases: secret shapes that fit the spec, inputs that keep their meaning, and what a worker is told."""

from __future__ import annotations

import functools
import math

import msgspec
import numpy as np
import pytest

from kparity import (
    Hunting,
    Session,
    SpecError,
    edge,
    hill,
    integers,
    kernel_spec,
    log_uniform,
    mirrored,
    normal,
    perf,
    tensor,
    uniform,
)
from kparity.dtypes import finfo, is_float
from kparity.hunting import applicable_patterns, hunting_cases
from kparity.inputs import generate
from kparity.oracle import evaluate_reference
from kparity.sandbox.host import InlineRunner


@functools.cache
def tasks():
    return Session().catalogue.tasks


def spec_of(function, **changes):
    declared = {
        "inputs": {"x": tensor("rows cols : T", normal(0, 2.0)), "at": tensor("rows : int32", integers(0, "cols"))},
        "outputs": {"y": "rows : T"},
        "dtypes": {"T": ("float32", "float16")},
        "cases": [edge(rows=1, cols=1), edge(rows=3, cols=17), edge(rows=40, cols=1000)],
    }
    return kernel_spec("demo/pick", **{**declared, **changes})(function)


def pick(x, at):
    """One element of each row."""
    return x[np.arange(len(x)), at]


@pytest.mark.parametrize("name", sorted(tasks()))
def test_hunting_cases_of_every_task_are_valid_and_their_oracle_is_finite(name):
    spec = tasks()[name]
    cases = hunting_cases(spec, 11)
    assert {case.pattern for case in cases} == set(applicable_patterns(spec))
    assert len({case.key for case in cases}) == len(cases)
    declared = {tuple(case.axes.values()) for case in spec.cases()}
    fresh = [case for case in cases if tuple(case.axes.values()) not in declared]
    assert len(fresh) > 0.7 * len(cases)
    for case in cases:
        assert (case.role, case.key.endswith(f"@{case.pattern}")) == ("edge", True)
        assert case.elements <= spec.hunting.elements
        inputs = generate(spec, case, 11)
        for info, truth in zip(case.outputs, evaluate_reference(spec, case, inputs), strict=True):
            assert np.isfinite(truth).all(), (case.key, info.name)
            if is_float(info.dtype):
                assert np.max(np.abs(truth), initial=0) < float(finfo(info.dtype).max), case.key


def test_they_follow_from_the_seed_alone():
    spec = spec_of(pick)
    assert hunting_cases(spec, 5) == hunting_cases(spec, 5)
    keys = [{case.key for case in hunting_cases(spec, seed)} for seed in range(4)]
    assert len(set.union(*keys)) > 2 * len(keys[0])
    case = next(case for case in hunting_cases(spec, 5) if case.pattern == "spike")
    for one, other in zip(generate(spec, case, 5), generate(spec, case, 5), strict=True):
        np.testing.assert_array_equal(one, other)
    assert {case.dtypes["T"] for case in hunting_cases(spec, 5, dtypes=["float16"])} == {"float16"}


def drawn(spec, pattern, seed=3, dtype="float32"):
    (case,) = (one for one in hunting_cases(spec, seed, dtypes=[dtype]) if one.pattern == pattern)
    return case, generate(spec, case, seed)


def test_patterns_hold_what_they_promise():
    spec = spec_of(pick, axes={"rows": range(20, 30), "cols": range(100, 200)})
    _, (x, at) = drawn(spec, "offset")
    assert abs(np.mean(x)) > 100 * np.std(x)
    _, (x, at) = drawn(spec, "spike")
    assert np.abs(x.flat[-1]) > 5 * np.median(np.abs(x))
    _, (x, at) = drawn(spec, "alternating")
    assert (np.sign(x[:, 1:]) == -np.sign(x[:, :-1])).all()
    _, (x, at) = drawn(spec, "positive")
    assert (x > 0).all()
    _, (x, at) = drawn(spec, "whole")
    np.testing.assert_array_equal(x, np.rint(x))
    _, (x, at) = drawn(spec, "ties")
    assert all(len(set(row)) <= 2 for row in x)
    _, (x, at) = drawn(spec, "large", dtype="float16")
    assert 1000 < np.max(np.abs(x.astype(float))) <= 65504 / 4
    case, (x, at) = drawn(spec, "repeated")
    assert len(set(at)) <= 3
    assert {0, case.axes["cols"] - 1} <= set(at)
    _, (x, at) = drawn(spec, "descending")
    assert (np.diff(at) <= 0).all()


def test_large_inputs_leave_room_for_what_is_computed_from_them():
    def energy(x):
        """Sum of squares."""
        return np.sum(x * x, axis=-1)

    declared = {"inputs": {"x": "rows cols : float32"}, "outputs": {"y": "rows : float32"}, "dtypes": {}}
    spec = spec_of(energy, **declared)
    (case,) = (one for one in hunting_cases(spec, 3) if one.pattern == "large")
    (x,) = generate(spec, case, 3)
    with np.errstate(over="raise"):
        assert np.isfinite(np.sum(x * x, axis=-1)).all()
    assert np.max(np.abs(x)) > 1e14


def test_a_spec_confines_its_patterns():
    spec = spec_of(
        pick,
        inputs={"x": tensor("rows cols : T", uniform(1.0, 2.0)), "at": tensor("rows : int32", integers(0, "cols"))},
        hunting=Hunting(exclude=("tiny", "square"), fixed=("at",), own={"steep": {"x": hill(start=1)}}),
    )
    patterns = applicable_patterns(spec)
    assert {"tiny", "square", "repeated", "descending"} & set(patterns) == set()
    assert "steep" in patterns
    for case in hunting_cases(spec, 1):
        x = generate(spec, case, 1)[0].astype(float)
        if case.pattern == "steep":
            assert (x[:, 0] > 0).all() or case.axes["cols"] == 1
            assert (x[:, -1] < 0).all()
        else:
            assert x.min() >= 1.0
            assert x.max() <= 2.0
    limited = spec_of(pick, hunting=Hunting(largest={"x": 10.0}))
    assert all(
        np.abs(generate(limited, case, 1)[0]).max() <= 10.01 for case in hunting_cases(limited, 1) if case.pattern
    )


def test_shapes_obey_the_declared_constraints():
    spec = tasks()["attention/scaled_dot_product"]
    for seed in range(5):
        for case in hunting_cases(spec, seed, dtypes=["float32"]):
            assert case.axes["heads"] % case.axes["kv_heads"] == 0
            assert case.axes["keys"] >= case.axes["queries"]
    squares = [case for case in hunting_cases(tasks()["matmul/matmul"], 2) if case.pattern == "square"]
    assert all(len(set(case.axes.values())) == 1 for case in squares)


def test_without_constraints_only_axes_that_are_plainly_free_vary():
    def split(x, heads=2):
        """The first of each group."""
        return x[:, :: x.shape[1] // heads][:, :heads]

    spec = kernel_spec(
        "demo/split",
        inputs={"x": "rows cols : float32"},
        outputs={"y": "rows heads : float32"},
        cases=[edge(rows=1, cols=8), edge(rows=5, cols=16), edge(rows=7, cols=64), perf(rows=4096, cols=4096)],
    )(split)
    cases = hunting_cases(spec, 1)
    assert {case.axes["cols"] for case in cases} <= {8, 16, 64}
    assert len({case.axes["rows"] for case in cases}) > 2
    assert max(case.axes["rows"] for case in cases) <= 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": {"rows": range(1, 5)}}, "axes leaves axis 'cols' out"),
        ({"axes": {"rows": range(5, 1), "cols": (1,)}}, "'rows' is range(5, 1); expected an ascending range"),
        ({"axes": {"rows": (), "cols": (1,)}}, "'rows' has no value to choose from"),
        ({"hunting": Hunting(exclude=("spikes",))}, "unknown pattern 'spikes'. Did you mean 'spike' or 'ties'"),
        ({"hunting": Hunting(largest={"z": 1.0})}, "unknown input 'z'"),
        ({"hunting": Hunting(own={"spike": {"x": hill()}})}, "own pattern 'spike' needs a name of its own"),
        ({"hunting": Hunting(axes={"spikes": {"rows": (1,)}})}, "axes: unknown pattern 'spikes'. Did you mean 'spike'"),
        (
            {"hunting": Hunting(axes={"spike": {"row": (1,)}})},
            "axes of 'spike': unknown axis 'row'. Did you mean",
        ),
        ({"hunting": Hunting(axes={"spike": {"rows": ()}})}, "'rows' has no value to choose from"),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(SpecError) as caught:
        spec_of(pick, **changes)
    assert message in str(caught.value)


def test_a_pattern_pins_axes():
    pinned = Hunting(own={"steep": {"x": hill(start=1)}}, axes={"steep": {"cols": (8, 16)}, "spike": {"rows": (3,)}})
    for seed in range(5):
        cases = {case.pattern: case for case in hunting_cases(spec_of(pick, hunting=pinned), seed)}
        assert cases["steep"].axes["cols"] in (8, 16)
        assert cases["spike"].axes["rows"] == 3
    free = [hunting_cases(spec_of(pick, hunting=Hunting(own=pinned.own)), seed) for seed in range(5)]
    assert {case.axes["cols"] for cases in free for case in cases if case.pattern == "steep"} - {8, 16}


def test_mirrored_halves_rise_and_cancel():
    drawn = mirrored(64, 127, axis=1, rest=1).sample(np.random.default_rng(0), (3, 9, 50), {})
    assert (drawn[:, :4].min() >= 64, drawn[:, :4].max() <= 126) == (True, True)
    assert set(np.unique(drawn[:, :4] + drawn[:, 5:])) == set(np.unique(drawn[:, 4])) == {-1, 0, 1}
    exact = mirrored(-2, 3).sample(np.random.default_rng(0), (40, 6), {})
    assert (exact.sum(axis=1) == 0).all()
    assert set(np.unique(exact[:, :3])) == {-2, -1, 0, 1, 2}


def test_new_distributions():
    rng = np.random.default_rng(0)
    values = log_uniform(1e-9, 1e-3, signed=True).sample(rng, (4000,), {})
    assert 0.4 < np.mean(values > 0) < 0.6
    logs = np.log10(np.abs(values))
    assert (logs.min() >= -9, logs.max() <= -3, abs(np.mean(logs) + 6) < 0.2) == (True, True, True)
    rising = hill(start=1).sample(rng, (3, 4, 2), {})
    assert (rising[:, :2] > 0).all()
    assert (rising[:, 2:] < 0).all()
    assert math.prod(hill().sample(rng, (), {}).shape) == 1


def test_a_kernel_learns_neither_key_role_nor_pattern(monkeypatch):
    case = hunting_cases(spec_of(pick), 3)[0]
    told = case.disguised()
    assert (told.key, told.role, told.pattern) == ("", "typical", "")
    assert msgspec.structs.replace(told, key=case.key, role=case.role, pattern=case.pattern) == case
    seen = []
    monkeypatch.setattr("kparity.sandbox.engine.Engine.supports", lambda self, case: seen.append(case))
    monkeypatch.setattr("kparity.sandbox.engine.Engine.execute", lambda self, case, inputs: seen.append(case))
    runner = object.__new__(InlineRunner)
    runner.supports(case)
    runner.execute(case, ())
    assert seen == [told, told]
