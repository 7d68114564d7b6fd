"""A reference that is no oracle is told, and nothing passes by it."""

from __future__ import annotations

import numpy as np

from kparity import Evidence, Numerics, Problem, Session, edge, kernel_spec
from kparity.verify import judge


def pose(reference, numerics=None):
    spec = kernel_spec(
        "demo/stability",
        inputs={"x": "rows cols : float32"},
        outputs={"y": "rows : float32"},
        cases=[edge(rows=4, cols=4099)],
        numerics=numerics,
    )(reference)
    return Problem.pose(spec, spec.cases()[0], 3)


def chaotic(x):
    """A sine of a sum so large that its last digits decide."""
    return np.sin(np.sum(np.exp(x), axis=-1) * 1e13)


def test_a_reference_that_depends_on_the_order_of_its_sums_is_inconclusive():
    problem = pose(chaotic)
    assert "depend on the order of summation even in float64" in problem.unstable
    verdict = judge(Evidence(problem, (problem.oracle[0].astype(np.float32),), problem.inputs_digest))
    assert verdict.status == "inconclusive"
    assert verdict.message.startswith("reference: the reference is no oracle here")


def test_what_fails_another_check_still_fails():
    problem = pose(chaotic)
    wrong = np.full(4, np.nan, np.float32)
    assert judge(Evidence(problem, (wrong,), problem.inputs_digest)).status == "failed"


def test_sums_that_cancel_are_no_instability():
    def centred(x):
        """Sum of what is left when the mean is taken off: rounding errors alone."""
        return np.sum(x - np.mean(x, axis=-1, keepdims=True), axis=-1)

    assert pose(centred).unstable == ""
    assert pose(centred, Numerics(accumulate="float64")).unstable == ""


def test_no_bundled_reference_is_unstable():
    for spec in Session().catalogue.tasks.values():
        smallest = sorted(spec.cases(roles=["edge"]), key=lambda case: case.elements)[:4]
        assert [Problem.pose(spec, case, 1).unstable for case in smallest] == [""] * len(smallest)
