"""Oracle, bounds and appeals on the bundled tasks: honest outputs pass, mutants die."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kparity import Evidence, Numerics, Problem, Session, edge, kernel_spec, normal, tensor, typical
from kparity.bounds import HonestError, Sequential, is_large
from kparity.dtypes import dtype, is_float, spacing
from kparity.ensemble import Jittered, TensorCore, Wandering, set_jitter
from kparity.inputs import generate
from kparity.oracle import evaluate_reference, round_to
from kparity.verify import APPEAL_DRAWS, judge

SEED = 20240229
TASKS = (
    "activation/gelu",
    "activation/softmax",
    "activation/softmax_backward",
    "attention/scaled_dot_product",
    "attention/scaled_dot_product_backward",
    "broadcast/add_bias",
    "convolution/conv2d",
    "fuse/matmul_bias_gelu",
    "index/embedding",
    "index/scatter_add",
    "loss/cross_entropy",
    "loss/cross_entropy_backward",
    "math/cumsum",
    "matmul/matmul",
    "normalization/layer_norm",
    "normalization/rms_norm",
    "normalization/rms_norm_backward",
    "optimizer/adamw",
    "pooling/max_pool2d",
    "reduce/logsumexp",
    "resize/bilinear",
)


@functools.cache
def catalogue():
    return Session().catalogue


@functools.cache
def pose(task, *, dtype="float32", place=1):
    """The problem of one bundled edge case, the second unless told: no task's second is of size one."""
    spec = catalogue().task(task)
    case = spec.cases(roles=["edge"], dtypes=[dtype])[place]
    return Problem.pose(spec, case, SEED)


def verdict(problem, outputs):
    """The verdict on these outputs, rounded to the declared dtypes."""
    arrays = tuple(np.asarray(array) for array in (outputs if isinstance(outputs, tuple | list) else (outputs,)))
    return judge(Evidence(problem, round_to(arrays, problem.case), problem.inputs_digest))


def honest(problem, precision="float32"):
    """The reference in `precision`, not yet rounded."""
    return evaluate_reference(problem.spec, problem.case, problem.inputs, precision)


def sequential(problem):
    """The reference in float32 with every sum done one element after the other."""
    arrays = tuple(
        array.astype(np.float32).view(Sequential) if is_float(info.dtype) else array
        for array, info in zip(problem.inputs, problem.case.inputs, strict=True)
    )
    return evaluate_reference(problem.spec, problem.case, arrays, "float32")


@pytest.mark.parametrize("task", TASKS)
def test_honest_evaluations_pass_in_every_dtype(task):
    for kind in ("float32", "float16", "bfloat16"):
        problem = pose(task, dtype=kind)
        for name, outputs in (
            ("float32", honest(problem)),
            ("float64", honest(problem, "float64")),
            ("sequential", sequential(problem)),
        ):
            result = verdict(problem, outputs)
            assert result.status == "passed", (kind, name, result.message)


def in_blocks(array, axis, size=37):
    """Sum in blocks, the blocks from last to first: what a tiled kernel does, and neither of NumPy's own ways."""
    moved = np.moveaxis(np.asarray(array), axis, -1)
    total = np.zeros(moved.shape[:-1], np.float32)
    for start in reversed(range(0, moved.shape[-1], size)):
        total = total + np.add.reduce(moved[..., start : start + size], axis=-1)
    return total


def online_logsumexp(x):
    """One pass with a running maximum, as fused kernels do."""
    top, total = np.full(len(x), -np.inf, np.float32), np.zeros(len(x), np.float32)
    for start in range(0, x.shape[1], 64):
        block = x[:, start : start + 64]
        higher = np.maximum(top, block.max(-1))
        total = total * np.exp(top - higher) + np.exp(block - higher[:, None]).sum(-1)
        top = higher
    return top + np.log(total)


def welford(x, weight, bias, eps=1e-5):
    """Layer norm whose mean and variance are merged from halves."""
    half = x.shape[1] // 2
    first, second = x[:, :half], x[:, half:]
    means = first.mean(-1, keepdims=True), second.mean(-1, keepdims=True)
    n = np.float32(half), np.float32(x.shape[1] - half)
    delta = means[1] - means[0]
    mean = means[0] + delta * (n[1] / (n[0] + n[1]))
    squares = ((first - means[0]) ** 2).sum(-1, keepdims=True) + ((second - means[1]) ** 2).sum(-1, keepdims=True)
    variance = (squares + delta * delta * (n[0] * n[1] / (n[0] + n[1]))) / (n[0] + n[1])
    return (x - mean) * (1 / np.sqrt(variance + np.float32(eps))) * weight + bias


def base_two_softmax(x):
    """exp as a power of two, the sum in blocks, a reciprocal in place of the division."""
    e = np.exp2((x - x.max(-1, keepdims=True)) * np.float32(np.log2(np.e)))
    return e * (1 / in_blocks(e, -1))[:, None]


HONEST = {
    "activation/softmax": base_two_softmax,
    "reduce/logsumexp": online_logsumexp,
    "normalization/layer_norm": welford,
    "normalization/rms_norm": lambda x, w, eps=0.0: (
        x * (1 / np.sqrt(in_blocks(x * x, -1) * np.float32(1 / x.shape[1]) + np.float32(eps)))[:, None] * w
    ),
    "matmul/matmul": lambda a, b: in_blocks(a[:, None, :] * b.T[None], -1),
    "math/cumsum": lambda x: (
        np.cumsum(x.reshape(3, 31, 33), -1)
        + (lambda tails: np.cumsum(tails, -1) - tails)(x.reshape(3, 31, 33).sum(-1))[..., None]
    ).reshape(x.shape),
}


@pytest.mark.parametrize("task", HONEST)
def test_honest_formulations_that_the_ensemble_does_not_hold_pass(task):
    for kind in ("float32", "bfloat16"):
        problem = pose(task, dtype=kind)
        result = verdict(problem, run_instead(problem, HONEST[task]))
        assert result.status == "passed", (kind, result.message)


def echo(problem):
    """The first floating-point input, tiled or cut to the output's shape."""
    source = next(a for a, i in zip(problem.inputs, problem.case.inputs, strict=True) if is_float(i.dtype))
    return [np.resize(source.astype(np.float64), info.shape) for info in problem.case.outputs]


def one_changed(array, value):
    """The array with another element in the middle."""
    changed = array.copy()
    changed.reshape(-1)[array.size // 2] = value
    return changed


def one_wrong(array):
    """The element in the middle off by 5 % and a little more; an integer by one."""
    middle = array.reshape(-1)[array.size // 2]
    return one_changed(array, middle + 1 if array.dtype.kind == "i" else middle * 1.05 + 0.05)


GENERIC = {
    "zeros": lambda problem, y: [np.zeros_like(array) for array in y],
    "constant": lambda problem, y: [np.full_like(array, array.mean()) for array in y],
    "echoed input": lambda problem, y: echo(problem),
    "NaN": lambda problem, y: [np.full_like(a, np.nan) if a.dtype.kind == "f" else a for a in y],
    "infinity": lambda problem, y: [np.full_like(a, np.inf) if a.dtype.kind == "f" else a for a in y],
    "one NaN": lambda problem, y: [one_changed(a, np.nan) if a.dtype.kind == "f" else a for a in y],
    "one infinity": lambda problem, y: [one_changed(a, np.inf) if a.dtype.kind == "f" else a for a in y],
    "dropped tail": lambda problem, y: [
        np.concatenate([a.ravel()[:-1], np.zeros(1, a.dtype)]).reshape(a.shape) for a in y
    ],
    "stale tail": lambda problem, y: [np.concatenate([a.ravel()[:-1], a.ravel()[:1]]).reshape(a.shape) for a in y],
    "shifted by one": lambda problem, y: [np.roll(a.ravel(), 1).reshape(a.shape) for a in y],
    "negated": lambda problem, y: [-a - (a.dtype.kind == "i") for a in y],
    "one wrong element": lambda problem, y: [*y[:-1], one_wrong(y[-1])],
    "scaled by 1 + 1e-3": lambda problem, y: [a * (1 + 1e-3) if a.dtype.kind == "f" else a for a in y],
}


LONG = {"attention/scaled_dot_product_backward"}


@pytest.mark.parametrize("task", [pytest.param(one, marks=[pytest.mark.slow] * (one in LONG)) for one in TASKS])
def test_mutants_that_any_task_knows_die(task):
    problem = pose(task)
    contract = problem.spec.numerics
    survivors = []
    for name, mutate in GENERIC.items():
        if name.startswith("scaled") and (contract.tf32 or contract.storage_intermediates):
            continue  # what such a contract allows reaches 1e-3
        result = verdict(problem, mutate(problem, honest(problem)))
        if result.status != "failed":
            survivors.append((name, result.status, result.message))
    assert not survivors


LARGE = {
    "activation/softmax": {"rows": 1025, "cols": 2051},
    "normalization/layer_norm": {"rows": 1025, "cols": 2051},
    "math/cumsum": {"rows": 1025, "cols": 2051},
    "reduce/logsumexp": {"rows": 2049, "cols": 2051},
    "matmul/matmul": {"m": 2049, "n": 1025, "k": 703},
}


@pytest.mark.slow
@pytest.mark.parametrize("task", LARGE)
def test_large_cases_judged_in_full_with_a_small_ensemble_judge_as_well(task):
    spec = replace(catalogue().task(task), templates=(edge(**LARGE[task]),), independent=None)
    for kind in ("float32", "float16"):
        (case,) = spec.cases(dtypes=[kind])
        assert is_large(case)
        problem = Problem.pose(spec, case, SEED)
        y = honest(problem)
        assert verdict(problem, y).status == "passed"
        if task in HONEST and task not in ("math/cumsum", "matmul/matmul"):
            assert verdict(problem, run_instead(problem, HONEST[task])).status == "passed"
        survivors = [name for name in GENERIC if verdict(problem, GENERIC[name](problem, y)).status != "failed"]
        assert not survivors, kind
        if kind == "float16" and task in HALF and task != "matmul/matmul":
            assert verdict(problem, run_instead(problem, HALF[task])).status == "failed"


def run_instead(problem, reference, precision="float32"):
    """Another formulation with the task's parameters, in float32."""
    return evaluate_reference(problem.spec, problem.case, problem.inputs, precision, reference)


def variation(task, **changes):
    """The task's reference with some attributes replaced: the mutant ignores what the case asks for."""
    return lambda *arrays, **attributes: catalogue().task(task).reference(*arrays, **{**attributes, **changes})


def with_inputs(task, change):
    """The task's reference on changed inputs: the mutant skips or confuses a step."""
    return lambda *arrays, **attributes: catalogue().task(task).reference(*change(*arrays), **attributes)


def max_pool_last_of_equals(x, kernel=2, stride=2, padding=0):
    """Takes the last of equal values instead of the first, which coarse dtypes have plenty of."""
    pool = catalogue().task("pooling/max_pool2d").reference
    y, _ = pool(x, kernel, stride, padding)
    _, turned = pool(x[..., ::-1, ::-1].copy(), kernel, stride, padding)
    return y, x.shape[2] * x.shape[3] - 1 - turned[..., ::-1, ::-1]


def max_pool_of_zeros(x, kernel=2, stride=2, padding=0):
    """Counts padding as zeros."""
    y, indices = catalogue().task("pooling/max_pool2d").reference(x, kernel, stride, padding)
    return np.maximum(y, 0), indices


def coupled_decay(param, grad, *state, weight_decay=0.0, **rest):
    """Adds the decay to the gradient, as Adam with L2 regularisation does."""
    adamw = catalogue().task("optimizer/adamw").reference
    return adamw(param, grad + param * np.float32(weight_decay), *state, weight_decay=0.0, **rest)


def scatter_last_wins(base, indices, updates):
    """Forgets that indices repeat."""
    out = base.copy()
    out[indices] = base[indices] + updates
    return out


def causal_one_off(q, k, v, causal=False):
    """Lets a query see one key too many."""
    shifted = np.concatenate([k[:, :, 1:], k[:, :, :1]], axis=2), np.concatenate([v[:, :, 1:], v[:, :, :1]], axis=2)
    return catalogue().task("attention/scaled_dot_product").reference(q, *shifted, causal=causal)


SPECIFIC = {
    "softmax of all but the last column": (
        "activation/softmax",
        {"place": 1},
        lambda x: np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True))[:, :-1].sum(-1)[:, None],
    ),
    "gelu by tanh where exact is asked": ("activation/gelu", {}, variation("activation/gelu", approximate="tanh")),
    "exact gelu where tanh is asked": (
        "activation/gelu",
        {"place": 2},
        variation("activation/gelu", approximate="none"),
    ),
    "layer norm without its affine step": (
        "normalization/layer_norm",
        {},
        with_inputs("normalization/layer_norm", lambda x, w, b: (x, np.ones_like(w), np.zeros_like(b))),
    ),
    "layer norm without its bias": (
        "normalization/layer_norm",
        {},
        with_inputs("normalization/layer_norm", lambda x, w, b: (x, w, np.zeros_like(b))),
    ),
    "layer norm with the unbiased variance": (
        "normalization/layer_norm",
        {},
        lambda x, w, b, eps=1e-5: (
            (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, ddof=1, keepdims=True) + x.dtype.type(eps)) * w + b
        ),
    ),
    "rms norm without its weight": (
        "normalization/rms_norm",
        {},
        with_inputs("normalization/rms_norm", lambda x, w: (x, np.ones_like(w))),
    ),
    "rms norm that subtracts the mean": (
        "normalization/rms_norm",
        {},
        with_inputs("normalization/rms_norm", lambda x, w: (x - x.mean(-1, keepdims=True), w)),
    ),
    "bias not added": ("broadcast/add_bias", {}, lambda x, bias: x),
    "bias added along the wrong axis": (
        "broadcast/add_bias",
        {},
        lambda x, bias: x + np.resize(bias, x.shape[0])[:, None],
    ),
    "convolution without its bias": (
        "convolution/conv2d",
        {},
        with_inputs("convolution/conv2d", lambda x, w, b: (x, w, np.zeros_like(b))),
    ),
    "true convolution in place of correlation": (
        "convolution/conv2d",
        {},
        with_inputs("convolution/conv2d", lambda x, w, b: (x, w[..., ::-1, ::-1].copy(), b)),
    ),
    "feed-forward without its bias": (
        "fuse/matmul_bias_gelu",
        {},
        with_inputs("fuse/matmul_bias_gelu", lambda a, b, bias: (a, b, np.zeros_like(bias))),
    ),
    "feed-forward without its activation": ("fuse/matmul_bias_gelu", {}, lambda a, b, bias: a @ b + bias),
    "product of all but the last k": ("matmul/matmul", {}, lambda a, b: a[:, :-1] @ b[:-1]),
    "product that drops one of k tiles": ("matmul/matmul", {"place": 2}, lambda a, b: a[:, :128] @ b[:128]),
    "attention with keys and values swapped": (
        "attention/scaled_dot_product",
        {},
        with_inputs("attention/scaled_dot_product", lambda q, k, v: (q, v, k)),
    ),
    "attention without its scale": (
        "attention/scaled_dot_product",
        {},
        with_inputs("attention/scaled_dot_product", lambda q, k, v: (q * np.float32(8), k, v)),
    ),
    "attention that ignores the mask": (
        "attention/scaled_dot_product",
        {"place": 2},
        variation("attention/scaled_dot_product", causal=False),
    ),
    "attention whose mask is off by one": ("attention/scaled_dot_product", {"place": 2}, causal_one_off),
    "attention in bfloat16 that ignores the mask": (
        "attention/scaled_dot_product",
        {"place": 3, "dtype": "bfloat16"},
        variation("attention/scaled_dot_product", causal=False),
    ),
    "lookup of the next row": (
        "index/embedding",
        {},
        with_inputs("index/embedding", lambda table, i: (table, (i + 1) % len(table))),
    ),
    "scatter in which the last one wins": ("index/scatter_add", {}, scatter_last_wins),
    "scatter that forgets the base": (
        "index/scatter_add",
        {},
        with_inputs("index/scatter_add", lambda base, i, u: (np.zeros_like(base), i, u)),
    ),
    "loss that ignores its ignore index": (
        "loss/cross_entropy",
        {"place": 2},
        with_inputs("loss/cross_entropy", lambda x, t: (x, np.maximum(t, 0))),
    ),
    "loss without smoothing": (
        "loss/cross_entropy",
        {"place": 2},
        variation("loss/cross_entropy", label_smoothing=0.0),
    ),
    "exclusive cumulative sum": ("math/cumsum", {}, lambda x: np.cumsum(x, -1) - x),
    "cumulative sum that starts over": (
        "math/cumsum",
        {},
        lambda x: np.concatenate([np.cumsum(x[:, :512], -1), np.cumsum(x[:, 512:], -1)], -1),
    ),
    "step without weight decay": ("optimizer/adamw", {}, variation("optimizer/adamw", weight_decay=0.0)),
    "step with coupled weight decay": ("optimizer/adamw", {"place": 2}, coupled_decay),
    "step without bias correction": ("optimizer/adamw", {}, variation("optimizer/adamw", step=10**9)),
    "pooling that pads with zeros": ("pooling/max_pool2d", {}, max_pool_of_zeros),
    "pooling that takes the last of equals": (
        "pooling/max_pool2d",
        {"dtype": "bfloat16", "place": 3},
        max_pool_last_of_equals,
    ),
    "log-sum-exp of all but the last column": ("reduce/logsumexp", {}, lambda x: np.log(np.exp(x[:, :-1]).sum(-1))),
    "resizing with corners aligned": ("resize/bilinear", {}, variation("resize/bilinear", align_corners=True)),
    "resizing with corners not aligned": (
        "resize/bilinear",
        {"place": 2},
        variation("resize/bilinear", align_corners=False),
    ),
}


@pytest.mark.parametrize("mutant", SPECIFIC)
def test_a_mutant_of_one_task_dies(mutant):
    task, case, function = SPECIFIC[mutant]
    problem = pose(task, **case)
    result = verdict(problem, run_instead(problem, function))
    assert result.status == "failed", result
    assert result.message.startswith("bound: ") or result.message.startswith("non_finite: ")


def small_inputs(task, std):
    """The task with inputs so small that its epsilon matters."""
    spec = catalogue().task(task)
    notation = spec.inputs["x"]
    small = replace(spec, inputs={**spec.inputs, "x": replace(notation, distribution=normal(std=std))})
    return Problem.pose(small, small.cases(roles=["edge"], dtypes=["float32"])[1], SEED)


@pytest.mark.parametrize(
    ("task", "std", "wrong"),
    [
        ("normalization/layer_norm", 3e-3, [0.0, 1e-6, 1.1e-5]),
        ("normalization/rms_norm", 1e-3, [0.0, 1e-5, 1.1e-6]),
    ],
)
def test_a_wrong_epsilon_dies_where_epsilon_matters(task, std, wrong):
    problem = small_inputs(task, std)
    assert verdict(problem, honest(problem)).status == "passed"
    for eps in wrong:
        assert verdict(problem, run_instead(problem, variation(task, eps=eps))).status == "failed", eps
    outside = small_inputs(task, std)
    root = run_instead(outside, lambda x, weight, *bias, eps: misplaced(task, x, weight, *bias, eps=eps))
    assert verdict(outside, root).status == "failed"


def misplaced(task, x, weight, bias=None, eps=0.0):
    """Epsilon added to the root instead of to what is under it."""
    centred = x if bias is None else x - x.mean(-1, keepdims=True)
    y = centred / (np.sqrt((centred * centred).mean(-1, keepdims=True)) + x.dtype.type(eps)) * weight
    return y if bias is None else y + bias


def float16_sum(x):
    """Running sum along the last axis, every step rounded to float16."""
    return np.add.accumulate(x.astype(np.float16), axis=-1, dtype=np.float16)


HALF = {
    "math/cumsum": lambda x: float16_sum(x),
    "activation/softmax": lambda x: (lambda e: e / float16_sum(e)[:, -1:])(np.exp(x - x.max(-1, keepdims=True))),
    "reduce/logsumexp": lambda x: np.log(float16_sum(np.exp(x))[:, -1]).astype(np.float32),
    "normalization/rms_norm": lambda x, w, eps=0.0: (
        x / np.sqrt(float16_sum(x * x)[:, -1:] / np.float32(x.shape[1]) + np.float32(eps)) * w
    ),
    "matmul/matmul": lambda a, b: np.stack(
        [np.add.accumulate((row[:, None] * b).astype(np.float16), axis=0, dtype=np.float16)[-1] for row in a]
    ).astype(np.float32),
}


@pytest.mark.parametrize("task", HALF)
def test_float16_accumulation_dies_and_float32_accumulation_of_float16_lives(task):
    problem = pose(task, dtype="float16")
    assert verdict(problem, honest(problem)).status == "passed"
    result = verdict(problem, run_instead(problem, HALF[task]))
    assert result.status == "failed", result


@given(st.sampled_from([*TASKS]), st.integers(0, 10**6), st.sampled_from([-1, 1]))
@pytest.mark.slow
def test_an_appeal_does_not_let_one_wrong_element_through(task, place, sign):
    problem = pose(task)
    contract = problem.spec.numerics
    outputs = [array.copy() for array in round_to(honest(problem), problem.case)]
    for index, (output, bound) in enumerate(zip(outputs, problem.bounds, strict=True)):
        where = np.unravel_index(place % output.size, output.shape)
        before = output[where]
        loose = contract.tf32 or contract.storage_intermediates
        step = 1 if output.dtype.kind == "i" else (40 if loose else 10) * bound[where]
        output[where] = before + output.dtype.type(sign * step)
        result = verdict(problem, tuple(outputs))
        assert result.status == "failed", (problem.case.outputs[index].name, where)
        assert result.checks[-1].details["wrong"] == 1
        output[where] = before


def test_an_appeal_enlarges_the_ensemble_until_it_decides():
    problem = pose("activation/softmax")
    luck = HonestError(tuple(np.zeros(info.shape) for info in problem.case.outputs), draws=1)
    hasty = replace(problem, honest=luck, bounds=luck.bounds(problem.spec, problem.case, problem.oracle))
    (output,) = (array.copy() for array in round_to(problem.oracle, problem.case))
    assert verdict(hasty, output).checks[-1].details["draws"] == 1

    flat = output.reshape(-1)
    flat[:3] = np.nextafter(flat[:3], np.float32(1))
    accepted = verdict(hasty, output)
    assert accepted.status == "passed", accepted
    assert accepted.checks[-1].details["draws"] > 1

    flat[3] *= np.float32(1.01)
    refused = verdict(hasty, output)
    assert refused.status == "failed"
    assert (refused.checks[-1].details["wrong"], refused.checks[-1].details["worst_index"]) == (1, "[0, 3]")


def test_appeals_stop_at_their_limit_and_are_not_heard_for_wholesale_errors(monkeypatch):
    problem = pose("activation/softmax")
    heard = []
    original = Problem.refined
    monkeypatch.setattr(Problem, "refined", lambda self, draws: heard.append(draws) or original(self, draws))
    outputs = honest(problem)[0].copy()
    assert verdict(problem, outputs * np.float32(1.01)).status == "failed"
    assert not heard
    outputs[0, 0] *= 1.01
    assert verdict(problem, outputs).status == "failed"
    assert problem.honest.draws + sum(heard) >= APPEAL_DRAWS
    assert len(heard) <= 7


def test_the_oracle_is_float64_on_the_bytes_that_were_handed_out():
    for kind in ("float16", "bfloat16"):
        problem = pose("activation/softmax", dtype=kind)
        x = problem.inputs[0].astype(np.float64)
        e = np.exp(x - x.max(-1, keepdims=True))
        np.testing.assert_allclose(problem.oracle[0], e / e.sum(-1, keepdims=True), rtol=1e-14)
        assert problem.oracle[0].dtype == np.float64


def test_a_bound_is_at_least_half_an_ulp_and_follows_the_condition_of_the_sum():
    problem = pose("math/cumsum", place=2)
    half_ulp = 0.5 * spacing(problem.oracle[0], "float32")
    bound = problem.bounds[0]
    assert (bound > half_ulp).all()
    assert np.median(bound[:, -500:]) > 4 * np.median(bound[:, :20])
    integers = pose("pooling/max_pool2d").bounds[1]
    assert not integers.any()


def test_more_draws_never_tighten_a_bound():
    problem = pose("normalization/layer_norm")
    wider = problem.refined(8)
    assert wider.honest.draws == problem.honest.draws + 8
    for before, after in zip(problem.honest.errors, wider.honest.errors, strict=True):
        assert (after >= before).all()
    assert (wider.bounds[0] >= problem.bounds[0] * (1 - 1e-12)).all()


def test_contracts_widen_bounds_by_what_they_allow():
    spec = catalogue().task("matmul/matmul")
    case = spec.cases(roles=["edge"], dtypes=["bfloat16"])[2]
    strict = Problem.pose(spec, case, SEED)
    storage = Problem.pose(replace(spec, numerics=Numerics(storage_intermediates=True)), case, SEED)
    tf32 = Problem.pose(replace(spec, numerics=Numerics(tf32=True)), case, SEED)
    assert np.median(strict.bounds[0]) < np.median(storage.bounds[0])
    np.testing.assert_array_equal(tf32.bounds[0], strict.bounds[0])  # bfloat16 numbers are TF32 numbers
    single = spec.cases(roles=["edge"], dtypes=["float32"])[2]
    strict = Problem.pose(spec, single, SEED)
    tf32 = Problem.pose(replace(spec, numerics=Numerics(tf32=True)), single, SEED)
    assert 20 * np.median(strict.bounds[0]) < np.median(tf32.bounds[0])


@given(st.integers(0, 10**6), st.integers(1, 700), st.sampled_from([0, 1, -1, (0, 1), None]), st.booleans())
def test_sequential_sums_equal_a_loop_in_float32(seed, length, axis, keepdims):
    values = np.random.default_rng(seed).normal(3, 1, (3, length)).astype(np.float32)
    got = np.sum(values.view(Sequential), axis=axis, keepdims=keepdims)
    table = values.T if axis == 0 else values
    partial = [loop(row) for row in table]
    if axis == (0, 1) or axis is None:
        columns = [loop(column) for column in values.T]
        expected = {float(loop(partial)), float(loop(columns))}
        assert float(np.asarray(got).reshape(())) in expected
        assert np.shape(got) == ((1, 1) if keepdims else ())
    else:
        expected = np.sum(np.ones_like(values), axis=axis, keepdims=keepdims)
        np.testing.assert_array_equal(np.asarray(got), np.array(partial).reshape(expected.shape))
    mean = np.mean(values.view(Sequential), axis=-1)
    np.testing.assert_array_equal(np.asarray(mean), np.array([loop(row) for row in values]) / np.float32(length))


def loop(row):
    """The sum of a row, one float32 addition after the other."""
    total = np.float32(row[0])
    for value in row[1:]:
        total = np.float32(total + np.float32(value))
    return total


def test_a_long_sequential_sum_is_worse_than_numpys_pairwise_one():
    values = np.random.default_rng(1).uniform(0, 1, (20, 1 << 15)).astype(np.float32)
    truth = values.astype(np.float64).sum(-1)
    pairwise = np.abs(np.sum(values, -1) - truth).mean()
    one_by_one = np.abs(np.asarray(np.sum(values.view(Sequential), -1), np.float64) - truth).mean()
    assert one_by_one > 5 * pairwise


def test_a_reference_may_use_numpy_as_it_likes():
    """Masked sums, counts, scatter by `at`, several outputs of one ufunc, given outputs: none upsets the ensemble."""

    def everything(x, w):
        """A mixture of sums: masked, counted, scattered, split and accumulated."""
        positive = np.sum(x, axis=-1, where=x > 0) + np.sum(x[:, :3], axis=-1, initial=1.0)
        count = np.sum(x > 0, axis=-1)
        table = np.zeros((4, x.shape[1]), x.dtype)
        np.add.at(table, np.arange(len(x)) % 4, x)
        whole, part = np.divmod(w, 1)
        buffer = np.empty(len(x), x.dtype)
        np.add.reduce(x, axis=np.int64(1), out=buffer)
        return positive / np.maximum(count, 1) + table.sum() + (whole + part).sum() + buffer

    spec = kernel_spec(
        "demo/everything",
        inputs={"x": "rows cols : T", "w": tensor("cols : float32", normal(5.0, 1.0))},
        outputs={"y": "rows : float32"},
        dtypes={"T": ("float32", "bfloat16")},
        cases=[edge(rows=5, cols=33), typical(rows=64, cols=257)],
    )(everything)
    for case in spec.cases():
        problem = Problem.pose(spec, case, SEED)
        x, w = (array.astype(np.float64) for array in problem.inputs)
        np.testing.assert_allclose(problem.oracle[0], everything(x, w))
        assert verdict(problem, honest(problem)).status == "passed"
        relative = problem.bounds[0] / np.abs(problem.oracle[0]).max()
        assert relative.max() < 1e-4
        assert verdict(problem, honest(problem)[0] * np.float32(1.01)).status == "failed"


def test_scalar_and_empty_outputs_are_judged_too():
    def total(x):
        """Sum of everything."""
        return np.sum(x)

    spec = kernel_spec(
        "demo/total", inputs={"x": "n : float32"}, outputs={"y": " : float32"}, cases=[edge(n=0), edge(n=9)]
    )(total)
    for case in spec.cases():
        problem = Problem.pose(spec, case, SEED)
        assert verdict(problem, honest(problem)).status == "passed"
        assert verdict(problem, honest(problem)[0] + np.float32(1)).status == "failed"

    def negate(x):
        """Negation."""
        return -x

    empty = kernel_spec(
        "demo/negate", inputs={"x": "n 3 : float32"}, outputs={"y": "n 3 : float32"}, cases=[edge(n=0)]
    )(negate)
    problem = Problem.pose(empty, empty.cases()[0], SEED)
    assert verdict(problem, honest(problem)).status == "passed"
    assert generate(empty, empty.cases()[0], 1)[0].shape == (0, 3)


def test_every_bundled_task_is_listed_here():
    assert set(TASKS) == set(catalogue().tasks)
    assert all(dtype(info.dtype) for task in TASKS for info in pose(task).case.outputs)


def test_the_ensemble_survives_functions_that_return_plain_arrays():
    """A mask by `np.where` ends no honest evaluation: what stands behind it is still jittered, sequential, cut."""
    spec = catalogue().task("attention/scaled_dot_product")
    case = next(case for case in spec.cases(dtypes=["bfloat16"]) if case.attributes["causal"])
    problem = Problem.pose(spec, case, SEED)
    rounded = [np.float32(array) for array in problem.inputs]
    q, k, v = (array[0, 0] for array in rounded)
    scores = q @ k.T / np.float32(np.sqrt(q.shape[-1]))
    scores = np.where(np.arange(len(k)) > np.arange(len(q))[:, None] + len(k) - len(q), -np.inf, scores)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    stored = weights.astype(dtype("bfloat16")).astype(np.float32)  # as a fused kernel does before the second product
    error = np.abs(stored @ v / weights.sum(-1, keepdims=True) - problem.oracle[0][0, 0])
    assert np.mean(error > problem.bounds[0][0, 0]) < 0.002
    for kind in (Sequential, Jittered, TensorCore):
        masked = np.where(rounded[0] > 0, rounded[0].view(kind), 0)
        assert type(masked) is kind


def test_wandering_products_stray_as_far_as_terms_added_in_order():
    rng = np.random.default_rng(0)
    a, b = rng.random((6, 4000), dtype=np.float32), rng.random((4000, 5), dtype=np.float32)
    truth = a.astype(np.float64) @ b.astype(np.float64)
    in_order = np.add.accumulate(a[:, :, None] * b, axis=1)[:, -1]
    naive, plain = np.abs(in_order - truth).mean(), np.abs(a @ b - truth).mean()
    set_jitter(None, "a draw")
    strayed = np.abs(np.asarray(a.view(Wandering) @ b.view(Wandering), np.float64) - truth).mean()
    assert naive / 8 < strayed < 4 * naive
    assert strayed > 2 * plain
    one = (a.view(Wandering) @ b[:, 0].view(Wandering)).shape
    assert one == (6,)
