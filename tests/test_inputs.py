"""Seeded inputs: the same bytes everywhere, independent of each other, and what each distribution promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kparity import (
    Session,
    SpecError,
    ascending,
    edge,
    integers,
    kernel_spec,
    normal,
    one_hot,
    permutation,
    positive_definite,
    probabilities,
    tensor,
    typical,
    uniform,
)
from kparity.inputs import digest, generate, stream

SEEDS = st.integers(0, 2**63)
GOLDEN = {
    ("activation/softmax", "rows=3,cols=1023,T=float32"): "00109d26655459d7",
    ("activation/softmax", "rows=3,cols=1023,T=bfloat16"): "12efe0d40c9f933a",
    ("loss/cross_entropy", "rows=127,classes=10,label_smoothing=0.1,T=float16"): "05812f29f59980ce",
}


@pytest.fixture(scope="module")
def bundled():
    return Session().catalogue


def spec_of(*names, kind="float32", distribution=None, task="demo/stack"):
    """A spec with these inputs, all alike."""
    source = f"def reference({', '.join(names)}):\n    'Sum.'\n    return {' + '.join(names)}\n"
    namespace: dict = {"__name__": __name__}
    exec(source, namespace)
    return kernel_spec(
        task,
        inputs={name: tensor(f"rows cols : {kind}", distribution) for name in names},
        outputs={"y": f"rows cols : {kind}"},
        cases=[edge(rows=3, cols=5), typical(rows=5, cols=3)],
    )(namespace["reference"])


@pytest.mark.parametrize(("task", "key"), GOLDEN)
def test_the_bytes_of_a_seed_are_pinned(bundled, task, key):
    spec = bundled.task(task)
    (case,) = [case for case in spec.cases() if case.key == key]
    assert digest(generate(spec, case, seed=12345)) == GOLDEN[task, key]


def test_another_process_draws_the_same_bytes(bundled, python):
    spec = bundled.task("optimizer/adamw")
    case = spec.cases(roles=["edge"], dtypes=["bfloat16"])[1]
    program = (
        "import kparity; from kparity.inputs import digest, generate\n"
        "spec = kparity.Session().catalogue.task('optimizer/adamw')\n"
        "case = spec.cases(roles=['edge'], dtypes=['bfloat16'])[1]\n"
        "print(digest(generate(spec, case, seed=7)))"
    )
    other = python("-c", program, PYTHONHASHSEED="99", OMP_NUM_THREADS="1")
    assert other.stdout.strip() == digest(generate(spec, case, seed=7)), other.stderr


def test_inputs_are_what_the_case_declares_and_cannot_be_written(bundled):
    for spec in bundled.tasks.values():
        for case in spec.cases(roles=["edge"])[:3]:
            for array, info in zip(generate(spec, case, 1), case.inputs, strict=True):
                assert (array.shape, array.dtype.name) == (info.shape, info.dtype)
                assert array.flags.c_contiguous
                assert not array.flags.writeable


def test_no_bundled_input_is_constant_so_a_skipped_step_shows(bundled):
    for spec in bundled.tasks.values():
        case = spec.cases(roles=["typical"])[0]
        for array, info in zip(generate(spec, case, 3), case.inputs, strict=True):
            assert len(np.unique(array.astype(np.float64))) > min(50, info.size // 2), (spec.name, info.name)


def test_an_input_depends_on_seed_task_case_and_name_and_on_nothing_else():
    alone, both = spec_of("x"), spec_of("x", "w")
    renamed = spec_of("x", task="demo/other")
    small, turned = alone.cases()
    (x,) = generate(alone, small, 1)
    same, w = generate(both, both.cases()[0], 1)
    np.testing.assert_array_equal(x, same)
    others = [w, *generate(alone, small, 2), *generate(renamed, renamed.cases()[0], 1), *generate(alone, turned, 1)]
    values = [set(array.ravel().tolist()) for array in (x, *others)]
    assert sum(map(len, values)) == len(set().union(*values)) == 15 * 5
    np.testing.assert_array_equal(generate(alone, turned, 1)[0], generate(alone, turned, 1)[0])


def test_labels_cannot_be_confused_by_where_they_are_cut():
    first, second = stream(1, "ab", "c"), stream(1, "a", "bc")
    assert first.integers(1 << 62) != second.integers(1 << 62)
    assert stream(11, "a").integers(1 << 62) != stream(1, "1a").integers(1 << 62)


def test_the_digest_sees_values_order_dtype_and_shape():
    a, b = np.arange(6, dtype=np.float32), np.arange(6, 12, dtype=np.float32)
    changed = a.copy()
    changed[5] = np.nextafter(changed[5], 9)
    variants = [[a, b], [b, a], [changed, b], [a.reshape(2, 3), b], [a.view(np.int32), b], [a], [a, b, b[:0]]]
    assert len({digest(one) for one in variants}) == len(variants)
    assert digest([a[::2]]) == digest([a[::2].copy()])
    assert digest([np.array(-0.0)]) != digest([np.array(0.0)])


@given(SEEDS, st.integers(0, 40), st.integers(0, 40))
def test_every_distribution_gives_the_shape_that_is_asked_for(seed, rows, cols):
    for distribution in (
        normal(),
        uniform(),
        integers(),
        integers(special=-1),
        permutation(),
        ascending(),
        one_hot(),
        probabilities(),
    ):
        assert distribution.sample(stream(seed, "x"), (rows, cols), {}).shape == (rows, cols), distribution
        if rows:
            assert distribution.sample(stream(seed, "x"), (rows,), {}).shape == (rows,), distribution
    assert positive_definite().sample(stream(seed, "x"), (rows, cols, cols), {}).shape == (rows, cols, cols)
    for distribution in (normal(), uniform(), integers(), integers(special=3)):
        assert np.shape(distribution.sample(stream(seed, "x"), (), {})) == (), distribution


@given(
    SEEDS,
    st.integers(-1000, 1000).map(float),
    st.integers(1, 1000).map(lambda quarters: quarters / 4),
    st.sampled_from(["number", "expression"]),
)
def test_uniform_stays_within_its_bounds(seed, low, width, style):
    high = float(np.float32(low + width))
    distribution = uniform(low, high) if style == "number" else uniform(low, "top")
    drawn = distribution.sample(stream(seed, "x"), (2000,), {"top": high})
    assert drawn.dtype == np.float32
    assert low <= drawn.min()
    assert drawn.max() < high
    assert drawn.min() < low + 0.1 * (high - low)
    assert drawn.max() > high - 0.1 * (high - low)


def test_uniform_excludes_its_upper_bound_even_where_the_sum_rounds_up_to_it():
    class Largest:
        def random(self, shape, dtype):
            return np.full(shape, 1 - 2.0**-24, dtype)

    assert uniform(1, 2).sample(Largest(), (1,), {})[0] == np.float32(2 - 2.0**-23)


@given(SEEDS, st.floats(-100, 100), st.floats(0.1, 100))
def test_normal_has_the_mean_and_deviation_that_were_asked_for(seed, mean, std):
    drawn = normal(mean, "1 / k").sample(stream(seed, "x"), (10000,), {"k": 1 / std}).astype(np.float64)
    assert abs(drawn.mean() - mean) < 6 * std / 100 + 1e-4
    assert abs(drawn.std() / std - 1) < 0.06


@given(SEEDS, st.integers(-(2**62), 2**62), st.integers(1, 300))
def test_integers_stay_within_their_bounds_and_reach_them(seed, low, span):
    drawn = integers(low, "low + span").sample(stream(seed, "x"), (40 * span,), {"low": low, "span": span})
    assert low <= drawn.min()
    assert drawn.max() < low + span
    assert len(np.unique(drawn)) > span // 2


@given(SEEDS, st.floats(0.05, 0.95))
def test_the_special_integer_takes_its_fraction(seed, fraction):
    drawn = integers(0, "vocab", special=-100, fraction=fraction).sample(stream(seed, "x"), (4000,), {"vocab": 9})
    special = drawn == -100
    assert abs(special.mean() - fraction) < 0.05
    assert set(np.unique(drawn[~special])) == set(range(9))


@given(SEEDS, st.integers(1, 30), st.integers(1, 60))
def test_rows_of_the_structured_distributions_are_what_their_names_say(seed, rows, cols):
    shape = (rows, cols)
    permuted = permutation().sample(stream(seed, "p"), shape, {})
    assert (np.sort(permuted, axis=-1) == np.arange(cols)).all()
    ordered = ascending().sample(stream(seed, "a"), shape, {})
    assert (np.diff(ordered, axis=-1) >= 0).all()
    hot = one_hot().sample(stream(seed, "o"), shape, {})
    assert ((hot == 1).sum(axis=-1) == 1).all()
    assert ((hot == 0).sum(axis=-1) == cols - 1).all()
    rows_of_one = probabilities().sample(stream(seed, "r"), shape, {})
    assert (rows_of_one > 0).all()
    np.testing.assert_allclose(rows_of_one.sum(axis=-1, dtype=np.float64), 1, atol=cols * 2.0**-24)


def test_rows_differ_from_each_other():
    for distribution in (permutation(), one_hot(), probabilities(), ascending(), normal(), integers()):
        drawn = distribution.sample(stream(5, "x"), (20, 30), {})
        assert len(np.unique(drawn, axis=0)) > 10, distribution


@given(SEEDS, st.integers(1, 24))
def test_positive_definite_matrices_are_symmetric_with_eigenvalues_of_at_least_one(seed, size):
    spec = replace(spec_of("x", distribution=positive_definite()), templates=(edge(rows=size, cols=size),))
    (matrix,) = generate(spec, spec.cases()[0], seed)
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix.astype(np.float64)).min() > 0.999


def test_a_distribution_that_cannot_serve_the_shape_names_spec_input_and_itself():
    spec = spec_of("x", distribution=positive_definite())
    with pytest.raises(SpecError, match=r"spec 'demo/stack'.*'x'.*positive_definite"):
        generate(spec, spec.cases()[0], 1)


def test_a_distribution_of_the_wrong_shape_is_a_fault_of_the_spec():
    class flat(normal):  # noqa: N801
        def sample(self, rng, shape, values):
            return super().sample(rng, shape, values).ravel()

    spec = spec_of("x", distribution=flat())
    with pytest.raises(SpecError, match=r"spec 'demo/stack': .* gave shape \(15,\), expected \(3, 5\)"):
        generate(spec, spec.cases()[0], 1)


@pytest.mark.parametrize("kind", ["float64", "float16", "bfloat16", "float8_e4m3fn", "int8", "int64", "bool"])
def test_inputs_come_in_every_dtype(kind):
    distribution = normal() if "float" in kind else integers(0, 2)
    spec = spec_of("x", kind=kind, distribution=distribution)
    (array,) = generate(spec, spec.cases()[0], 1)
    assert array.dtype.name == kind
    assert len(np.unique(array.astype(np.float64))) > 1
