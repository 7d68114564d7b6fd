"""Gradient tasks: right ones are admitted, wrong ones are named, and the kernels' likely mistakes die."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from kparity import Evidence, Problem, Session, SpecError, edge, hookimpl, integers, kernel_spec, normal, tensor
from kparity.gradients import check_gradient
from kparity.oracle import evaluate_reference, round_to
from kparity.verify import judge

GRADIENTS = {
    "activation/softmax_backward": "activation/softmax",
    "attention/scaled_dot_product_backward": "attention/scaled_dot_product",
    "loss/cross_entropy_backward": "loss/cross_entropy",
    "normalization/rms_norm_backward": "normalization/rms_norm",
}


@functools.cache
def catalogue():
    return Session().catalogue


def test_bundled_gradients_name_their_forward_task():
    found = {spec.name: spec.gradient_of.name for spec in catalogue().tasks.values() if spec.gradient_of is not None}
    assert found == GRADIENTS
    assert not catalogue().faults


def described(reference):
    """The function with a docstring, which specs ask for."""
    reference.__doc__ = reference.__doc__ or "A gradient."
    return reference


def plain_sum(x, dy):
    """Softmax whose correction forgets the weights."""
    y = np.exp(x - x.max(-1, keepdims=True))
    y /= y.sum(-1, keepdims=True)
    return y * (dy - dy.mean(-1, keepdims=True))


def uncorrected(x, dy):
    """Softmax without its correction."""
    y = np.exp(x - x.max(-1, keepdims=True))
    return y / y.sum(-1, keepdims=True) * dy


def rms_norm_with(x, weight, dy, eps, *, correction=1.0, weighted=True, means=False):
    root = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)
    n, g = x / root, dy * weight if weighted else dy
    dx = (g - correction * n * np.mean(g * n, axis=-1, keepdims=True)) / root
    return dx, (np.mean if means else np.sum)(dy * n, axis=0)


def cross_entropy_with(logits, targets, dloss, ignore_index, smooth, *, ignore=True, spread=True, weighted=True):
    kept = targets != ignore_index
    gradient = np.exp(logits - logits.max(-1, keepdims=True))
    gradient /= gradient.sum(-1, keepdims=True)
    gradient[np.arange(len(logits)), np.where(kept, targets, 0)] -= 1 - smooth
    gradient -= smooth / logits.shape[1] if spread else 0.0
    gradient *= dloss[:, None] if weighted else 1.0
    return np.where(kept[:, None], gradient, 0.0) if ignore else gradient


def attention_with(q, k, v, dout, causal, *, scaled=True, masked=True, summed=True, corrected=True):
    batch, heads, queries, head_dim = q.shape
    kv_heads, keys = k.shape[1:3]
    scale = 1 / math.sqrt(head_dim)
    dq, dk, dv = np.empty_like(q), np.zeros_like(k), np.zeros_like(v)
    hidden = np.arange(keys) > np.arange(queries)[:, None] + (keys - queries)
    for b in range(batch):
        for h in range(heads):
            source = h * kv_heads // heads
            scores = np.where(hidden & causal & masked, -np.inf, q[b, h] @ k[b, source].T * scale)
            p = np.exp(scores - scores.max(-1, keepdims=True))
            p /= p.sum(-1, keepdims=True)
            dp = dout[b, h] @ v[b, source].T
            ds = p * (dp - corrected * np.sum(p * dp, -1, keepdims=True)) * (scale if scaled else 1.0)
            dq[b, h] = ds @ k[b, source]
            dk[b, source] = ds.T @ q[b, h] + summed * dk[b, source]
            dv[b, source] = p.T @ dout[b, h] + summed * dv[b, source]
    return dq, dk, dv


def rms_norm_(**mistake):
    return lambda x, weight, dy, eps=1e-6: rms_norm_with(x, weight, dy, eps, **mistake)


def cross_entropy_(**mistake):
    return lambda logits, targets, dloss, ignore_index=-100, label_smoothing=0.0: cross_entropy_with(
        logits, targets, dloss, ignore_index, label_smoothing, **mistake
    )


def attention_(**mistake):
    return lambda q, k, v, dout, causal=False: attention_with(q, k, v, dout, causal, **mistake)


MISTAKES = {
    "softmax, no correction": ("activation/softmax_backward", uncorrected, "dx"),
    "softmax, unweighted correction": ("activation/softmax_backward", plain_sum, "dx"),
    "rms norm, no correction": ("normalization/rms_norm_backward", rms_norm_(correction=0.0), "dx"),
    "rms norm, sign of the correction": ("normalization/rms_norm_backward", rms_norm_(correction=-1.0), "dx"),
    "rms norm, weight left out": ("normalization/rms_norm_backward", rms_norm_(weighted=False), "dx"),
    "rms norm, mean for sum": ("normalization/rms_norm_backward", rms_norm_(means=True), "dweight"),
    "rms norm, another epsilon": (
        "normalization/rms_norm_backward",
        lambda x, weight, dy, eps=1e-6: rms_norm_with(x, weight, dy, 1e-5),
        "dx",
    ),
    "cross entropy, ignored rows": ("loss/cross_entropy_backward", cross_entropy_(ignore=False), "dlogits"),
    "cross entropy, smoothing not spread": ("loss/cross_entropy_backward", cross_entropy_(spread=False), "dlogits"),
    "cross entropy, dloss left out": ("loss/cross_entropy_backward", cross_entropy_(weighted=False), "dlogits"),
    "attention, scale": ("attention/scaled_dot_product_backward", attention_(scaled=False), "dq"),
    "attention, correction": ("attention/scaled_dot_product_backward", attention_(corrected=False), "dq"),
    "attention, mask": ("attention/scaled_dot_product_backward", attention_(masked=False), "dq"),
    "attention, last head of a group": ("attention/scaled_dot_product_backward", attention_(summed=False), "dk"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_wrong_gradient_is_named(what):
    task, wrong, gradient = MISTAKES[what]
    with pytest.raises(SpecError, match=rf"^spec '{task}', case .*: '{gradient}' is not the gradient of ") as raised:
        check_gradient(replace(catalogue().task(task), reference=described(wrong)))
    assert "finite differences give" in str(raised.value)


@pytest.mark.parametrize("what", MISTAKES)
def test_a_kernel_with_that_mistake_fails(what):
    task, wrong, _ = MISTAKES[what]
    verdicts = {}
    for case in catalogue().task(task).cases(roles=["edge"], dtypes=["float32"]):
        if case.elements < 1 << 18:
            problem = Problem.pose(catalogue().task(task), case, 1)
            for name, reference in (("right", None), ("wrong", wrong)):
                outputs = evaluate_reference(problem.spec, case, problem.inputs, "float32", reference)
                evidence = Evidence(problem, round_to(outputs, case), problem.inputs_digest)
                verdicts.setdefault(name, set()).add(judge(evidence).status)
    assert verdicts["right"] == {"passed"}
    assert "failed" in verdicts["wrong"]


def declare(gradient=None, forward=None, *, std=1.0, **changes):
    """A task y = scale x^3 m with its gradient; m is an integer input."""

    def cube(x, m, scale=2.0):
        """A cube."""
        return scale * x**3 * m

    def cube_backward(x, m, dy, scale=2.0):
        """The gradient of a cube."""
        return 3 * scale * x**2 * m * dy

    x = tensor("n : float32", normal(std=std))
    m = tensor("n : int32", integers(-3, 4))
    before = kernel_spec(
        "demo/cube", inputs={"x": x, "m": m}, outputs={"y": "n : float32"}, cases=[edge(n=1), edge(n=9, scale=0.5)]
    )(forward or cube)
    arguments = {
        "gradient_of": before,
        "inputs": {"x": x, "m": m, "dy": "n : float32"},
        "outputs": {"dx": "n : float32"},
        "cases": [edge(n=1), edge(n=9, scale=0.5), edge(n=0)],
    }
    return kernel_spec("demo/cube_backward", **{**arguments, **changes})(described(gradient or cube_backward))


@pytest.mark.parametrize("std", [1e-6, 1.0, 1e6])
def test_the_check_does_not_depend_on_the_scale_of_the_inputs(std):
    check_gradient(declare(std=std))
    with pytest.raises(SpecError, match="'dx' is not the gradient of 'demo/cube' with respect to 'x'"):
        check_gradient(declare(lambda x, m, dy, scale=2.0: 3.00001 * scale * x**2 * m * dy, std=std))


def test_one_wrong_element_and_a_wrong_attribute_show():
    def one_off(x, m, dy, scale=2.0):
        """Wrong in its last element."""
        right = 3 * scale * x**2 * m * dy
        right[-1:] += 1e-3
        return right

    for wrong in (one_off, lambda x, m, dy, scale=2.0: 3 * 2.0 * x**2 * m * dy, lambda x, m, dy, scale=2.0: x * np.nan):
        with pytest.raises(SpecError, match="is not the gradient"):
            check_gradient(declare(wrong))


def test_a_forward_with_kinks_has_a_gradient():
    def clipped(x, m, scale=2.0):
        """A ramp, by jumps of its slope."""
        return scale * np.maximum(x, 0) * m

    check_gradient(declare(lambda x, m, dy, scale=2.0: scale * (x > 0) * m * dy, clipped))
    with pytest.raises(SpecError, match="is not the gradient"):
        check_gradient(declare(lambda x, m, dy, scale=2.0: scale * (x > -0.5) * m * dy, clipped))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"inputs": {"x": "n : float32", "dy": "n : float32"}, "gradient": lambda x, dy, scale=2.0: dy},
            r"inputs are \['x', 'dy'\], expected the forward's and its cotangents \['x', 'm', 'dy'\]",
        ),
        ({"outputs": {"dm": "n : float32"}}, r"output 'dm' is no gradient of an input; possible are \['dx'\]"),
        ({"outputs": {"dx": "n : float16"}}, "'dx' is 'n : float16', expected 'n : float32' as in the forward"),
        (
            {"gradient": lambda x, m, dy, scale=1.0: dy},
            r"attributes are \{'scale': 1.0\}, expected \{'scale': 2.0\} as in the forward",
        ),
        ({"cases": [edge(n=1 << 17)]}, "every case has more than 65,536 elements; declare a smaller one"),
    ],
)
def test_a_declaration_that_departs_from_the_forward_is_refused(changes, complaint):
    with pytest.raises(SpecError, match="^spec 'demo/cube_backward'.*" + complaint):
        check_gradient(declare(**changes))


def test_the_catalogue_leaves_a_wrong_gradient_out():
    def wrong(x, m, dy, scale=2.0):
        """Not the gradient."""
        return dy

    bad = declare(wrong)
    plugin = SimpleNamespace(register_tasks=hookimpl(lambda: [bad.gradient_of, bad]))
    found = Session(extra=[plugin], discover=False).catalogue
    assert list(found.tasks) == ["demo/cube"]
    (fault,) = found.faults
    assert "'dx' is not the gradient of 'demo/cube' with respect to 'x'" in fault.fault
