"""What a verdict's message says of outputs that are off by TF32."""

from __future__ import annotations

import numpy as np
import pytest

from kparity import Options, Session
from kparity.diagnosis import explained
from kparity.problem import Problem
from kparity.verify import Evidence, judge
from kparity_tasks.matmul.matmul import matmul

CANDIDATE = """
import numpy as np

def cut(array):
    return (array.view(np.int32) & ~0x1FFF).view(np.float32)

def matmul(a, b):
    return cut(a) @ cut(b)
"""


@pytest.fixture(scope="module")
def problem():
    case = next(iter(matmul.cases(roles=("typical",), dtypes=("float32",))))
    return Problem.pose(matmul, case, 7)


def rounded(array, bits):
    """Operands with so many bits of mantissa, rounded half away from zero."""
    unit = np.int32(1 << (23 - bits))
    return ((array.view(np.int32) + unit // 2) & -unit).view(np.float32)


def message(problem, *outputs):
    verdict = judge(Evidence(problem, outputs, problem.inputs_digest))
    told = explained(verdict, problem, outputs, "ask for more")
    assert told.status == verdict.status
    assert told.message.startswith(verdict.message)
    return told.message.removeprefix(verdict.message)


def test_operands_in_tf32_are_named_with_the_remedy(problem):
    a, b = problem.inputs
    assert "TF32" in message(problem, rounded(a, 10) @ rounded(b, 10))
    assert message(problem, rounded(a, 10) @ rounded(b, 10)).endswith(": ask for more")
    step = a.shape[1] // 4
    parts = [rounded(a[:, i : i + step], 10) @ rounded(b[i : i + step], 10) for i in range(0, a.shape[1], step)]
    assert "TF32" in message(problem, sum(parts))


@pytest.mark.parametrize("bits", [7, 9, 12])
def test_another_precision_is_not(problem, bits):
    a, b = problem.inputs
    assert message(problem, rounded(a, bits) @ rounded(b, bits)) == ""


def test_neither_is_what_is_right_or_wrong_for_another_reason(problem):
    a, b = problem.inputs
    assert message(problem, a @ b) == ""
    assert message(problem, a @ b * np.float32(1.001)) == ""
    assert message(problem, np.zeros_like(a @ b)) == ""


def test_a_candidate_learns_it():
    with Session() as session:
        arguments = {"roles": ["typical"], "dtypes": ["float32"], "options": Options(timing=None)}
        outcome = session.evaluate("matmul/matmul", "cpu_ref", CANDIDATE, **arguments)
    assert outcome.status == "failed"
    assert "as TF32 has, give these values, and the task asks for float32" in outcome.message
