"""The verifier: examines what an implementation returned. A verdict is the conjunction of all checks.

A check that raises is `inconclusive`, never `passed`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import msgspec
import numpy as np

from kparity import dtypes, faultmap
from kparity.case import ArrayInfo
from kparity.comparators import Comparison
from kparity.inputs import Arrays
from kparity.problem import Problem
from kparity.records import CheckResult, Verdict


@dataclass(frozen=True)
class Evidence:
    """What a check may look at.

    Attributes:
        problem: the case, its inputs, the oracle and the bounds.
        outputs: what the implementation returned, copied to the host, in order.
        inputs_digest: digest of the input arrays as they stood on the device after the call.
    """

    problem: Problem
    outputs: Arrays
    inputs_digest: str


class Check(ABC):
    """One examination. Plugins add their own through `register_checks`; those are ANDed with the mandatory ones."""

    name: ClassVar[str]

    @abstractmethod
    def examine(self, evidence: Evidence) -> CheckResult:
        """Look at the evidence and say `passed`, `failed` or `inconclusive`, with a message to act on."""

    def passed(self, **details: float | int | str) -> CheckResult:
        """A passed result of this check."""
        return CheckResult(self.name, "passed", "", details)

    def failed(self, message: str, **details: float | int | str) -> CheckResult:
        """A failed result of this check."""
        return CheckResult(self.name, "failed", message, details)


class SignatureCheck(Check):
    """Number, shape and dtype of the outputs are exactly the declared ones."""

    name = "signature"

    def examine(self, evidence: Evidence) -> CheckResult:
        declared = evidence.problem.case.outputs
        if len(evidence.outputs) != len(declared):
            return self.failed(f"returned {len(evidence.outputs)} outputs, {len(declared)} are declared")
        for output, info in zip(evidence.outputs, declared, strict=True):
            got = f"{output.dtype.name}[{', '.join(map(str, output.shape))}]"
            if output.shape != info.shape or output.dtype != dtypes.dtype(info.dtype):
                return self.failed(f"output {info.name!r} is {got}, declared is {info}")
        return self.passed()


class InputsUnchangedCheck(Check):
    """The inputs on the device hold the same bytes after the call as before."""

    name = "inputs_unchanged"

    def examine(self, evidence: Evidence) -> CheckResult:
        if evidence.inputs_digest != evidence.problem.inputs_digest:
            between = " or what lies between their elements" if evidence.problem.case.strided else ""
            return self.failed(f"the implementation modified its inputs{between}; return new arrays instead")
        return self.passed()


class NonFiniteCheck(Check):
    """NaN and infinities stand where the oracle, rounded to the output dtype, has them, with the same sign."""

    name = "non_finite"

    def examine(self, evidence: Evidence) -> CheckResult:
        for output, truth, info in _floats(evidence):
            with np.errstate(over="ignore"):
                wanted = truth.astype(dtypes.dtype(info.dtype)).astype(np.float64)
            odd = np.isfinite(output) & np.isfinite(wanted)
            wrong = ~(odd | (output == wanted) | (np.isnan(output) & np.isnan(wanted)))
            if evidence.problem.spec.numerics.signed_zero:
                wrong |= (output == 0) & (wanted == 0) & (np.signbit(output) != np.signbit(wanted))
            if wrong.any():
                where = _first(wrong)
                place = evidence.problem.locate(info.name, where)
                return self.failed(
                    f"{np.count_nonzero(wrong)} of {wrong.size} elements of {info.name!r}: "
                    f"at {place} got {output[where]!s}, wanted {wanted[where]!s}; {faultmap.describe(wrong)}",
                    output=info.name,
                    wrong=int(np.count_nonzero(wrong)),
                    of=wrong.size,
                    worst_index=str(place),
                    pattern=faultmap.describe(wrong),
                    map=faultmap.picture(wrong),
                )
        return self.passed()


class BoundCheck(Check):
    """Every element lies within its bound of the oracle; integers are equal."""

    name = "bound"

    def examine(self, evidence: Evidence) -> CheckResult:
        problem = evidence.problem
        worst_ratio = 0.0
        for index, info in enumerate(problem.case.outputs):
            output, truth, bound = evidence.outputs[index], problem.oracle[index], problem.bounds[index]
            if info.name in problem.spec.compare:
                result = self._compared(problem, info, output, truth, bound)
                if result.status != "passed":
                    return result
                continue
            with np.errstate(invalid="ignore", over="ignore"):
                error = np.abs(output.astype(np.float64) - truth)
            if dtypes.is_float(info.dtype):
                error = np.where(np.isfinite(error), error, 0.0)  # NonFiniteCheck judges those
                if problem.spec.numerics.subnormals == "flush":
                    tiny = float(dtypes.finfo(info.dtype).smallest_normal)
                    error = np.where((output == 0) & (np.abs(truth) < tiny), 0.0, error)
            else:
                error = np.where(output == truth, 0.0, np.maximum(error, 1.0))  # float64 merges large integers
            if error.size == 0:
                continue
            if (error > bound).any():
                return self._off(problem, info, output, truth, bound, error)
            with np.errstate(divide="ignore", invalid="ignore"):
                worst_ratio = max(worst_ratio, float(np.nanmax(np.where(bound > 0, error / bound, 0.0))))
        return self.passed(worst_error_over_bound=round(worst_ratio, 4), draws=problem.honest.draws)

    def _compared(
        self, problem: Problem, info: ArrayInfo, output: np.ndarray, truth: np.ndarray, bound: np.ndarray
    ) -> CheckResult:
        comparator = problem.spec.compare[info.name]
        inputs = {one.name: array for one, array in zip(problem.case.inputs, problem.inputs, strict=True)}
        wrong = comparator.wrong(Comparison(output, truth, bound, inputs, problem.case.attributes))
        if not wrong.any():
            return self.passed()
        where = _first(wrong)
        place, count, pattern = problem.locate(info.name, where), int(np.count_nonzero(wrong)), faultmap.describe(wrong)
        return self.failed(
            f"{count:,} of {wrong.size:,} elements of {info.name!r} are off ({comparator.rule}); first at {place}: "
            f"got {output[where]!s}, the oracle's is {truth[where]!s}; {pattern}",
            output=info.name,
            worst_index=str(place),
            comparator=type(comparator).__name__,
            pattern=pattern,
            map=faultmap.picture(wrong),
        )

    def _off(
        self,
        problem: Problem,
        info: ArrayInfo,
        output: np.ndarray,
        truth: np.ndarray,
        bound: np.ndarray,
        error: np.ndarray,
    ) -> CheckResult:
        wrong = error > bound
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.where(wrong, error / np.maximum(bound, np.finfo(np.float64).tiny), 0.0)
        where = tuple(int(i) for i in np.unravel_index(int(np.argmax(ratio)), ratio.shape))
        count, place, pattern = int(np.count_nonzero(wrong)), problem.locate(info.name, where), faultmap.describe(wrong)
        wanted, off, details = str(truth[where]), "", {}
        if dtypes.is_float(info.dtype):
            details["ulps"] = float(error[where] / dtypes.spacing(truth[where], info.dtype))
            wanted, off = f"{truth[where]:.9g}", f", {details['ulps']:.3g} ulps off"
        return self.failed(
            f"{count:,} of {error.size:,} elements of {info.name!r} are off; worst at {place}: "
            f"got {output[where]!s}, wanted {wanted}, allowed +-{bound[where]:.3g}{off}; {pattern}",
            output=info.name,
            wrong=count,
            of=int(error.size),
            worst_index=str(place),
            got=float(output[where]),
            wanted=float(truth[where]),
            bound=float(bound[where]),
            pattern=pattern,
            map=faultmap.picture(wrong),
            **details,
        )


MANDATORY: tuple[Check, ...] = (SignatureCheck(), InputsUnchangedCheck(), NonFiniteCheck(), BoundCheck())
"""Checks that every output undergoes, in this order; the first one to fail ends the examination of the values."""

APPEAL_DRAWS = 64
"""Most honest evaluations on perturbed inputs before an element outside its bound is called wrong."""


NEAR = 4.0
"""Times its bound by which the worst element may miss for a larger ensemble to be asked, however many elements miss."""


def judge(evidence: Evidence, extra: Sequence[Check] = ()) -> Verdict:
    """The verdict on one output: all mandatory checks, then the extra ones.

    A handful of elements just outside their bounds may mean no more than that the few honest evaluations were lucky
    there: the ensemble is then enlarged, up to `APPEAL_DRAWS` draws, before the verdict stands. Large cases draw none.

    Where a sample is judged, each of its pieces undergoes all checks, and so do the slices of the outputs that look
    odd.
    """
    problem = evidence.problem
    if not problem.parts:
        return _judge_all(evidence, extra)
    signature = SignatureCheck().examine(evidence)
    if signature.status != "passed":
        return Verdict.of_checks([signature])
    pieces = problem.pieces(evidence.outputs)
    verdicts = [_judge_all(Evidence(piece, cut, evidence.inputs_digest), extra) for piece, cut in pieces]
    return Verdict.of_checks(_merge(verdicts, problem.sample))


def _judge_all(evidence: Evidence, extra: Sequence[Check]) -> Verdict:
    verdict = _examine(evidence, extra)
    while _may_appeal(verdict) and 0 < evidence.problem.honest.draws < APPEAL_DRAWS:
        evidence = replace(evidence, problem=evidence.problem.refined(draws=evidence.problem.honest.draws))
        verdict = _examine(evidence, extra)
    return verdict


def _merge(verdicts: Sequence[Verdict], sample: str) -> list[CheckResult]:
    """One result for each check: of the pieces' results, the one that decides."""

    def gravity(result: CheckResult) -> tuple[int, float]:
        ratio = float(result.details.get("worst_error_over_bound", 0.0))
        return ("passed", "inconclusive", "failed").index(result.status), ratio

    by_name: dict[str, list[CheckResult]] = {}  # not every piece has every check: see `Problem.unstable`
    for result in (check for verdict in verdicts for check in verdict.checks):
        by_name.setdefault(result.name, []).append(result)
    merged = [max(results, key=gravity) for results in by_name.values()]
    return [
        msgspec.structs.replace(result, details={**result.details, "sampled": sample})
        if result.name in (NonFiniteCheck.name, BoundCheck.name)
        else result
        for result in merged
    ]


def _may_appeal(verdict: Verdict) -> bool:
    """True where the bound alone failed: on at most one element in 500 (or on five), or nowhere by much.

    Not by much, since the luck of one sum is shared by all elements that it goes into, such as a row of a softmax.
    """
    failures = [check for check in verdict.checks if check.status != "passed"]
    if len(failures) != 1 or failures[0].name != BoundCheck.name or "wrong" not in failures[0].details:
        return False
    details = failures[0].details
    wrong, total = int(details["wrong"]), int(details["of"])
    miss = abs(float(details["got"]) - float(details["wanted"]))
    return wrong <= max(5, total // 500) or miss <= NEAR * float(details["bound"])


def _examine(evidence: Evidence, extra: Sequence[Check]) -> Verdict:
    results: list[CheckResult] = []
    for check in (*MANDATORY, *extra):
        try:
            result = check.examine(evidence)
        except Exception as error:
            result = CheckResult(check.name, "inconclusive", f"the check raised {type(error).__name__}: {error}")
        results.append(result)
        if isinstance(check, SignatureCheck) and result.status != "passed":
            break  # the values cannot be compared
    if evidence.problem.unstable:
        results.append(CheckResult("reference", "inconclusive", evidence.problem.unstable))
    return Verdict.of_checks(results)


def _floats(evidence: Evidence) -> Iterable[tuple[np.ndarray, np.ndarray, ArrayInfo]]:
    problem = evidence.problem
    for output, truth, info in zip(evidence.outputs, problem.oracle, problem.case.outputs, strict=True):
        if dtypes.is_float(info.dtype) and info.name not in problem.spec.compare:
            yield output.astype(np.float64), truth, info


def _first(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))
