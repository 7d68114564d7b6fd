"""Whether a kernel gives the same result each time: the same bytes, results within the bound, or neither."""

from __future__ import annotations

from collections.abc import Sequence

from kparity.draws import same_bytes
from kparity.inputs import Arrays
from kparity.problem import Problem
from kparity.records import CheckResult, Determinism
from kparity.verify import Check, Evidence, judge

CHECK = "determinism"
"""Name of the check in a verdict."""


def repeats_of(case_role: str, repeats: int, *, candidate: bool, emulated: bool) -> int:
    """How many further executions an evaluation makes.

    All cases of a candidate and the typical cases of registered implementations; none where the implementation is
    emulated, since an interpreter has no races.
    """
    return repeats if not emulated and (candidate or case_role == "typical") else 0


def examine(
    problem: Problem, first: Arrays, later: Sequence[tuple[Arrays, str]], checks: Sequence[Check] = ()
) -> tuple[Determinism, CheckResult]:
    """The class of an output that passed, and further executions on the same inputs, and the check that follows.

    Args:
        first: the outputs that passed.
        later: outputs of further executions, each with the digest of the inputs after it.
        checks: extra ones, as `judge` takes them.
    """
    found: Determinism = "bitwise"
    for place, (outputs, digest) in enumerate(later):
        if digest == problem.inputs_digest and _identical(first, outputs):
            continue
        verdict = judge(Evidence(problem, outputs, digest), checks)
        if verdict.status != "passed":
            message = f"execution {place + 2} of {len(later) + 1} on the same inputs does not pass: {verdict.message}"
            details: dict[str, float | int | str] = {"class": "divergent", "executions": place + 2}
            if verdict.status == "failed":
                return "divergent", CheckResult(CHECK, "failed", message, details)
            return "divergent", CheckResult(CHECK, "inconclusive", message, details)
        found = "within_bound"
    return found, CheckResult(CHECK, "passed", "", {"class": found, "executions": len(later) + 1})


def _identical(ones: Arrays, others: Arrays) -> bool:
    return len(ones) == len(others) and all(map(same_bytes, ones, others))
