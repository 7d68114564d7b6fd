"""Outputs that are not continuous: what counts as right, and that wrong ones are found."""

from __future__ import annotations

import numpy as np
import pytest

from kparity import (
    Distribution,
    Evidence,
    Numerics,
    Problem,
    SpecError,
    arg_max,
    distributed,
    edge,
    integers,
    kernel_spec,
    quantised,
    tensor,
    top_k,
    unordered,
)
from kparity.verify import judge


def pose(reference, outputs, compare, distribution=None, numerics=None, rows=6, cols=40):
    spec = kernel_spec(
        "demo/compared",
        inputs={"x": tensor("rows cols : float32", distribution)},
        outputs=outputs,
        cases=[edge(rows=rows, cols=cols)],
        compare=compare,
        numerics=numerics,
    )(reference)
    return Problem.pose(spec, spec.cases()[0], 5)


def status(problem, *outputs):
    return judge(Evidence(problem, outputs, problem.inputs_digest)).status


def last_argmax(x):
    return (x.shape[1] - 1 - np.argmax(x[:, ::-1], axis=1)).astype(np.int32)


def test_any_of_several_largest_values_is_right():
    def argmax(x):
        """Index of the largest."""
        return np.argmax(x, axis=-1)

    outputs = {"index": "rows : int32"}
    problem = pose(argmax, outputs, {"index": arg_max("x")}, integers(0, 3))
    (x,) = problem.inputs
    first = np.argmax(x, axis=1).astype(np.int32)
    assert (last_argmax(x) != first).any()
    assert status(problem, first) == "passed"
    assert status(problem, last_argmax(x)) == "passed"
    strict = pose(argmax, outputs, None, integers(0, 3))
    assert status(strict, last_argmax(x)) == "failed"
    for wrong in (np.argmin(x, axis=1).astype(np.int32), first + 40, first - 41, np.zeros(6, np.int32) - 1):
        assert status(problem, wrong) == "failed"
    message = judge(Evidence(problem, (first - 41,), problem.inputs_digest)).message
    assert message.startswith("bound: 6 of 6 elements of 'index' are off (each index must lie in range")


def test_top_k_is_a_set_up_to_ties():
    def topk(x):
        """The five largest."""
        return np.argsort(-x, axis=-1, kind="stable")[:, :5]

    problem = pose(topk, {"index": "rows 5 : int32"}, {"index": top_k("x")}, integers(0, 9))
    (x,) = problem.inputs
    right = topk(x).astype(np.int32)
    other = (39 - np.argsort(-x[:, ::-1], axis=-1, kind="stable")[:, :5]).astype(np.int32)
    assert status(problem, right[:, ::-1].copy()) == "passed"
    assert status(problem, other) == "passed"
    repeated, smaller = right.copy(), right.copy()
    repeated[:, 1] = repeated[:, 0]
    smaller[2, 0] = np.argmin(x[2])
    assert status(problem, repeated) == "failed"
    assert status(problem, smaller) == "failed"
    assert status(problem, right + 40) == "failed"


def test_unordered_values_keep_their_bounds():
    def halves(x):
        """Half of each."""
        return x / 2

    problem = pose(halves, {"y": "rows cols : float32"}, {"y": unordered()})
    right = problem.inputs[0] / 2
    shuffled = np.random.default_rng(1).permuted(right, axis=1)
    assert status(problem, right) == status(problem, shuffled) == "passed"
    across = shuffled.copy()
    across[[0, 1], 0] = across[[1, 0], 0]
    assert status(problem, across) == "failed"
    off, odd = shuffled.copy(), shuffled.copy()
    off[3, 4] *= np.float32(1.001)
    odd[3, 4] = np.nan
    assert status(problem, off) == status(problem, odd) == "failed"
    details = judge(Evidence(problem, (off,), problem.inputs_digest)).checks[-1].details
    assert details["comparator"] == "unordered"


def test_a_step_may_go_either_way_only_in_the_middle():
    def scaled(x):
        return x * 10

    def quantise(x):
        """Steps of a tenth in int8."""
        return np.clip(np.rint(x * 10), -128, 127).astype(np.int64)

    spec_outputs = {"q": "rows cols : int8"}
    problem = pose(quantise, spec_outputs, {"q": quantised(scaled, -128, 127)}, _Halves())
    right = quantise(problem.inputs[0].astype(np.float64)).astype(np.int8)
    up = np.floor(problem.inputs[0].astype(np.float64) * 10 + 0.5).astype(np.int8)
    assert (up != right).any()
    assert status(problem, right) == status(problem, up) == "passed"
    wrong = right.copy()
    wrong[0, 1] += 1  # a value of 0.3 steps
    assert status(problem, wrong) == "failed"


class _Halves(Distribution):
    """Values half-way between two steps of a tenth, and in every second column far from it."""

    def sample(self, rng, shape, values):
        steps = rng.integers(-20, 20, shape) + np.where(np.arange(shape[1]) % 2, 0.3, 0.5)
        return (steps / 10).astype(np.float32)


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        pytest.param(lambda rng: rng.standard_normal((60, 400)), "passed", id="right"),
        pytest.param(lambda rng: rng.standard_normal((60, 400)) * 1.1, "failed", id="too wide"),
        pytest.param(lambda rng: rng.random((60, 400)), "failed", id="uniform"),
        pytest.param(lambda rng: np.sort(rng.standard_normal(24000)).reshape(60, 400), "failed", id="sorted"),
        pytest.param(lambda rng: np.repeat(rng.standard_normal((60, 200)), 2, axis=1), "failed", id="each twice"),
        pytest.param(lambda rng: np.full((60, 400), np.nan), "failed", id="NaN"),
    ],
)
def test_random_draws_are_judged_by_their_distribution(draw, expected):
    def noise(x):
        """Normal draws of the shape of x."""
        return np.random.default_rng(0).standard_normal(x.shape)

    problem = pose(noise, {"y": "rows cols : float32"}, {"y": distributed("norm")}, rows=60, cols=400)
    assert status(problem, draw(np.random.default_rng(7)).astype(np.float32)) == expected


def test_a_comparator_for_no_output_is_refused():
    def same(x):
        """x."""
        return x

    with pytest.raises(SpecError, match="compare= has unknown output 'z'"):
        pose(same, {"y": "rows cols : float32"}, {"z": unordered()})


def test_the_sign_of_zero_counts_where_declared():
    def zeros(x):
        """Negative zeros."""
        return -np.abs(x * 0)

    outputs = {"y": "rows cols : float32"}
    positive = np.zeros((6, 40), np.float32)
    assert status(pose(zeros, outputs, None), positive) == "passed"
    declared = pose(zeros, outputs, None, numerics=Numerics(signed_zero=True))
    assert status(declared, positive) == "failed"
    assert status(declared, -positive) == "passed"


def test_subnormal_results_may_be_flushed_where_declared():
    def tiny(x):
        """Far below the smallest normal number."""
        return x * x.dtype.type(1e-40)

    outputs = {"y": "rows cols : float32"}
    kept, either, flushing = (
        pose(tiny, outputs, None, numerics=Numerics(subnormals=one)) for one in ("keep", "either", "flush")
    )
    right, flushed = kept.oracle[0].astype(np.float32), np.zeros((6, 40), np.float32)
    assert {status(one, right) for one in (kept, either, flushing)} == {"passed"}
    assert status(kept, flushed) == "failed"
    assert status(either, flushed) == status(flushing, flushed) == "passed"
    assert status(either, right * 4) == status(flushing, right * 4) == "failed"


def test_subnormal_intermediates_may_be_flushed_before_they_are_scaled_up():
    def scaled(x):
        """Normal numbers by way of numbers that may be subnormal."""
        return np.tanh(x) * x.dtype.type(2.0**-126) * x.dtype.type(2.0**10)

    outputs = {"y": "rows cols : float32"}
    kept, either = (pose(scaled, outputs, None, numerics=Numerics(subnormals=one)) for one in ("keep", "either"))
    right = either.oracle[0].astype(np.float32)
    flushed = np.where(np.abs(right) < 2.0**-116, 0, right)
    assert (right != flushed).any()
    assert (flushed != 0).sum() == 0
    assert status(either, right) == status(kept, right) == "passed"
    assert status(either, flushed) == "passed"
    assert status(kept, flushed) == "failed"
    assert status(either, right * 4) == "failed"


def test_float16_subnormals_are_no_subnormals_to_float32():
    def tiny(x):
        """Below the smallest normal number of float16, far above float32's."""
        return x * x.dtype.type(2.0**-20)

    outputs = {"y": "rows cols : float16"}
    either, flushing = (pose(tiny, outputs, None, numerics=Numerics(subnormals=one)) for one in ("either", "flush"))
    right, flushed = either.oracle[0].astype(np.float16), np.zeros((6, 40), np.float16)
    assert status(either, right) == status(flushing, flushed) == "passed"
    assert status(either, flushed) == "failed"
