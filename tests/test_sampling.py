"""Large cases: which part is judged, what is found there and elsewhere, and that declared independence is true."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kparity import (
    Check,
    Distribution,
    Evidence,
    Independent,
    Problem,
    Session,
    SpecError,
    edge,
    kernel_spec,
    perf,
    tensor,
)
from kparity.bounds import is_large
from kparity.inputs import generate
from kparity.oracle import evaluate_reference, round_to
from kparity.sampling import ELEMENTS, check_independence, choose, cut_outputs, restrict
from kparity.verify import judge

ROWS, COLS = 4096, 1024


def _softmax(x):
    """Softmax over the last axis."""
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def spec_of(reference=_softmax, independent="rows"):
    return kernel_spec(
        "demo/sampled",
        inputs={"x": "rows cols : float32"},
        outputs={"y": "rows cols : float32"},
        cases=[edge(rows=5, cols=7), perf(rows=ROWS, cols=COLS)],
        independent=independent,
    )(reference)


@pytest.fixture(scope="module")
def problem():
    spec = spec_of()
    case = spec.cases(roles=["perf"])[0]
    assert is_large(case)
    return Problem.pose(spec, case, 7)


@pytest.fixture
def right(problem):
    return _softmax(problem.inputs[0])


def verdict(problem, output, extra=()):
    return judge(Evidence(problem, (output,), problem.inputs_digest), extra)


def test_a_sample_is_judged_with_the_whole_ensemble_and_the_record_says_so(problem, right):
    result = verdict(problem, right)
    assert result.status == "passed"
    bound = next(check for check in result.checks if check.name == "bound")
    count = len(problem.parts[0].chosen["rows"])
    assert bound.details["sampled"] == f"{count} of 4,096 rows"
    assert bound.details["draws"] > 0
    assert problem.inputs[0].shape == (ROWS, COLS)
    assert 2 * count * COLS <= ELEMENTS


def test_the_sample_holds_both_ends_a_run_and_single_rows_and_is_secret(problem):
    rows = problem.parts[0].chosen["rows"]
    assert (rows[0], rows[-1]) == (0, ROWS - 1)
    assert (np.diff(rows) > 0).all()
    assert (np.diff(rows) == 1).sum() >= len(rows) // 5
    assert np.diff(rows).max() <= 2 * ROWS / (len(rows) * 0.7)
    again = choose(problem.spec, problem.case, 7)[0]["rows"]
    other = choose(problem.spec, problem.case, 8)[0]["rows"]
    assert np.array_equal(rows, again)
    assert len(np.intersect1d(rows, other)) < len(rows) // 2


def test_odd_slices_that_outputs_have_in_common_are_judged_once(problem, right):
    def odd(output):
        return [piece for piece, _ in problem.pieces((output,))[len(problem.parts) :]]

    first = odd(right)
    assert all(one is other for one, other in zip(first, odd(right.copy()), strict=True))
    for row in range(1, 60, 3):
        wrong = right.copy()
        wrong[row] *= 3
        assert verdict(problem, wrong).status == "failed"
        assert any(row in piece.chosen["rows"] for piece in odd(wrong))
    assert problem.nbytes < 8 * right.nbytes
    assert verdict(problem, right).status == "passed"


def test_a_later_call_is_judged_on_a_smaller_sample_of_its_own(problem, right):
    first = problem.parts[0].chosen["rows"]
    later = problem.altered(8, problem.inputs, problem.inputs_digest)
    rows = later.parts[0].chosen["rows"]
    assert (rows[0], rows[-1]) == (0, ROWS - 1)
    assert len(first) / 6 < len(rows) < len(first) / 3
    assert len(np.intersect1d(rows, first)) < len(rows) // 2
    assert verdict(later, right).status == "passed"
    wrong = right.copy()
    wrong[rows[len(rows) // 2]] *= np.float32(1.01)
    assert verdict(later, wrong).status == "failed"


def test_later_calls_of_a_case_that_is_not_large_are_sampled_too():
    spec = spec_of()
    case = spec.bind(perf(rows=512, cols=COLS), {})
    problem = Problem.pose(spec, case, 7)
    assert problem.parts == ()
    later = problem.altered(8, problem.inputs, problem.inputs_digest)
    (right,) = round_to(problem.oracle, case)
    assert len(later.parts[0].chosen["rows"]) < 512 // 3
    assert verdict(later, right).status == "passed"
    assert verdict(later, np.zeros_like(right)).status == "failed"


@pytest.mark.parametrize("length", [3, 300])
def test_the_longest_run_of_equal_values_is_judged_wherever_it_lies(problem, right, length):
    """Equal to their mean, so that neither a magnitude nor the row's sum stands out."""
    row = next(row for row in range(3000, ROWS) if row not in problem.parts[0].chosen["rows"])
    output = right.copy()
    output[row, 7 : 7 + length] = output[row, 7 : 7 + length].mean()
    assert verdict(problem, output).status == "failed"


def test_small_cases_and_specs_without_independent_axes_are_judged_in_full():
    spec = spec_of()
    small = Problem.pose(spec, spec.cases(roles=["edge"])[0], 7)
    assert small.parts == ()
    assert small.oracle[0].shape == (5, 7)
    undeclared = spec_of(independent=None)
    assert choose(undeclared, undeclared.cases(roles=["perf"])[0], 7) == []


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        pytest.param(lambda y: y * np.float32(1 + 1e-4), "bound", id="everywhere"),
        pytest.param(lambda y: np.roll(y, 1, axis=0), "bound", id="shifted"),
        pytest.param(lambda y: _set(y, np.s_[-1:], 0), "bound", id="last row unwritten"),
        pytest.param(lambda y: _set(y, np.s_[1000:1016], y[1000:1016] * 1.01), "bound", id="one tile"),
        pytest.param(lambda y: _set(y, np.s_[1777, 512:768], 0), "bound", id="a short run left zero"),
        pytest.param(lambda y: _set(y, np.s_[1777, 3], np.nan), "non_finite", id="one NaN"),
        pytest.param(lambda y: _set(y, np.s_[1777, 3], -np.inf), "non_finite", id="one infinity"),
        pytest.param(lambda y: _set(y, np.s_[1777, 3], 1e4), "bound", id="one large value"),
        pytest.param(lambda y: _set(y, np.s_[1777], y[1777] * 2), "bound", id="one row doubled"),
    ],
)
def test_faults_in_the_sample_and_oddities_outside_are_found(problem, right, fault, check):
    rows = problem.parts[0].chosen["rows"]
    assert 1777 not in rows, "choose another row"
    result = verdict(problem, fault(right.copy()))
    assert result.status == "failed"
    assert result.message.startswith(check)


def _set(array, where, value):
    array[where] = value
    return array


def test_messages_name_the_place_in_the_whole_output(problem, right):
    result = verdict(problem, _set(right, np.s_[1777, 3], 100.0))
    assert "worst at [1777, 3]" in result.message


def test_the_signature_is_that_of_the_whole_output(problem, right):
    assert verdict(problem, right[:-1]).message.startswith("signature: output 'y' is float32[4095, 1024]")


def test_extra_checks_see_each_piece_as_a_problem_of_its_own(problem, right):
    class Shapes(Check):
        name = "shapes"

        def examine(self, evidence):
            problem = evidence.problem
            assert evidence.outputs[0].shape == problem.oracle[0].shape == problem.case.outputs[0].shape
            return self.failed("looked")

    assert verdict(problem, right, [Shapes()]).message == "shapes: looked"


def test_every_bundled_perf_case_is_sampled():
    whole = {"normalization/rms_norm_backward"}  # each row of dx needs all columns, each column of dweight all rows
    for spec in Session().catalogue.tasks.values():
        if not spec.name.startswith("demo/") and spec.name not in whole:
            for case in spec.cases(roles=["perf"]):
                samples = choose(spec, case, 3)
                assert samples, case
                for chosen in samples:
                    for axis, indices in chosen.items():
                        assert indices[0] >= 0
                        assert indices[-1] < case.axes[axis]


@pytest.mark.parametrize("causal", [False, True])
def test_blocks_of_attention_are_those_of_the_whole(causal):
    spec = Session().catalogue.task("attention/scaled_dot_product")
    axes = {"batch": 2, "heads": 4, "kv_heads": 2, "queries": 600, "keys": 700, "head_dim": 8, "causal": causal}
    case = spec.bind(perf(**axes), {"T": "float32"})
    inputs = generate(spec, case, 1)
    (whole,) = evaluate_reference(spec, case, inputs)
    grown = spec.bind(perf(**{**axes, "queries": 60000}), {"T": "float32"})
    blocks = choose(spec, grown, 1)
    assert len(blocks) == 8
    assert {int(block["heads"][0]) for block in blocks} == {0, 1, 2, 3}
    for place, block in enumerate(blocks):
        chosen = {**block, "queries": np.arange(len(block["queries"])) + 80 * place}
        part, cut = restrict(spec, case, inputs, chosen)
        (got,) = evaluate_reference(spec, part, cut)
        np.testing.assert_allclose(got, cut_outputs(spec, (whole,), chosen)[0], rtol=1e-9, atol=1e-14)


def test_a_sampled_matrix_product_finds_one_wrong_tile():
    spec = Session().catalogue.task("matmul/matmul")
    spec = dataclasses.replace(spec, templates=(perf(m=2048, n=2048, k=64),))
    case = spec.cases(dtypes=["float32"])[0]
    problem = Problem.pose(spec, case, 5)
    assert is_large(case)
    assert problem.parts
    (c,) = round_to(evaluate_reference(spec, case, problem.inputs, "float32"), case)
    assert verdict(problem, c).status == "passed"
    wrong = c.copy()
    wrong[1024:1088, 512:576] *= np.float32(1.01)
    assert verdict(problem, wrong).status == "failed"


def test_independence_that_does_not_hold_is_refused_at_registration():
    def centred(x):
        """Depends on all rows."""
        return x - np.mean(x, axis=0, keepdims=True)

    with pytest.raises(SpecError, match="independent='rows' does not hold: output 'y' differs"):
        check_independence(spec_of(centred))
    check_independence(spec_of())

    def raises(x):
        """Works on five rows only."""
        return x.reshape(5, -1)

    with pytest.raises(SpecError, match="on some slices alone"):
        check_independence(spec_of(raises))


def test_every_combination_of_attributes_is_tried():
    def sometimes(x, across=False):
        """Depends on other rows for some attributes only."""
        return x - np.mean(x, axis=0, keepdims=True) if across else x

    spec = dataclasses.replace(
        spec_of(sometimes),
        templates=(edge(rows=5, cols=7), edge(rows=6, cols=7, across=True)),
    )
    with pytest.raises(SpecError, match=r"across=True.*does not hold"):
        check_independence(spec)


def test_a_spec_that_can_show_nothing_is_refused():
    spec = dataclasses.replace(spec_of(), templates=(edge(rows=1, cols=7),))
    with pytest.raises(SpecError, match="more than one of rows shows that independent= holds"):
        check_independence(spec)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("depth", "independent axis 'depth' must be one dimension of output 'y'"),
        ((), "independent= names no axis"),
        (Independent(("rows", "batch")), "independent axis 'batch' must be one dimension"),
    ],
)
def test_declarations_that_contradict_the_shapes_are_refused(declared, message):
    with pytest.raises(SpecError, match=message):
        spec_of(independent=declared)


def test_an_axis_inside_an_expression_needs_a_function():
    def declare(**keywords):
        return kernel_spec(
            "demo/halo",
            inputs={"x": "n+2 : float32"},
            outputs={"y": "n : float32"},
            cases=[edge(n=9), perf(n=5_000_000)],
            **keywords,
        )(halo)

    def halo(x):
        """Sum of three neighbours."""
        return x[:-2] + x[1:-1] + x[2:]

    with pytest.raises(SpecError, match=r"stands inside 'n\+2' of 'x'; say with Independent"):
        declare(independent="n")

    def needs(chosen, x):
        places = chosen["n"]
        return (x[places[0] : places[-1] + 3],)

    spec = declare(independent=Independent(("n",), needs=needs, contiguous=True))
    check_independence(spec)
    problem = Problem.pose(spec, spec.cases(roles=["perf"])[0], 3)
    assert len(problem.parts) == 8
    y = halo(problem.inputs[0])
    assert verdict(problem, y).status == "passed"
    y[-1] += 1
    assert verdict(problem, y).status == "failed"


def _chaotic_where_it_stands_out(x):
    """The input, and in a row with a large element a sine of a sum so large that its last digits decide."""
    chaos = np.sin(np.sum(np.exp(np.minimum(x, 3)), axis=-1, keepdims=True) * 1e13)
    return x + np.where(np.max(x, axis=-1, keepdims=True) > 50, 200 * (2 + chaos), 0)


class OneRowStandsOut(Distribution):
    """Standard normal numbers but for one of a hundred in a row that no sample is likely to hold."""

    def sample(self, rng, shape, values):
        drawn = rng.standard_normal(shape)
        if shape[0] == ROWS:
            drawn[ODD, 3] = 100.0
        return drawn


ODD = 2741


def test_a_reference_that_is_no_oracle_in_odd_slices_alone_leaves_no_verdict():
    spec = kernel_spec(
        "demo/stands_out",
        inputs={"x": tensor("rows cols : float32", OneRowStandsOut())},
        outputs={"y": "rows cols : float32"},
        cases=[edge(rows=5, cols=7), perf(rows=ROWS, cols=COLS)],
        independent="rows",
    )(_chaotic_where_it_stands_out)
    problem = Problem.pose(spec, spec.cases(roles=["perf"])[0], 7)
    assert all(ODD not in part.chosen["rows"] and not part.unstable for part in problem.parts)
    (output,) = round_to(evaluate_reference(spec, problem.case, problem.inputs), problem.case)
    result = verdict(problem, output)
    assert result.status == "inconclusive"
    assert "the reference is no oracle here" in result.message
    again = verdict(problem.altered(7, problem.inputs, problem.inputs_digest), output)
    assert [check.name for check in again.checks if check.status != "passed"] == []
