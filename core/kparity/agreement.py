"""Who agrees with whom: every implementation of a task on the same inputs, against the oracle and in pairs."""

from __future__ import annotations

import fnmatch
import math
import secrets
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np

from kparity import dtypes
from kparity.case import Case
from kparity.errors import KparityError, NothingEvaluatedError, WorkerError
from kparity.evaluation import Subject
from kparity.inputs import Arrays
from kparity.lanes import Lane, open_all
from kparity.options import Options
from kparity.oracle import round_to
from kparity.plan import Selection, lineups
from kparity.posing import oracles
from kparity.problem import Problem
from kparity.sampling import cut_outputs
from kparity.session import Session
from kparity.spec import KernelSpec

SAME = 2.0
"""Two outputs that lie within their bounds differ by no more than this many bounds."""


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How far the implementations of a task lie from the oracle and from each other on one case.

    Distances are the largest over all elements of all outputs, in multiples of the element's bound: at most 1 from the
    oracle passes. Infinite (null in JSON) where integers differ or values are not finite in the same places.

    Attributes:
        labels: the implementations that gave an output of the declared shapes and dtypes.
        to_oracle: distance of each from the oracle.
        pairwise: distance of each from each, in the same order.
        left_out: why the others gave none.
        outliers: implementations that lie outside their bounds.
        suspect_reference: all implementations, at least two, agree with each other and none with the oracle.
    """

    task: str
    case: str
    seed: int
    labels: tuple[str, ...]
    to_oracle: tuple[float, ...]
    pairwise: tuple[tuple[float, ...], ...]
    left_out: dict[str, str]
    outliers: tuple[str, ...]
    suspect_reference: bool

    @property
    def summary(self) -> str:
        """The finding in one line."""
        if not self.labels:
            return "no implementation gave an output"
        if self.suspect_reference:
            return "all agree with each other and none with the oracle: suspect the reference or its numerics contract"
        if not self.outliers:
            return "all lie within the bound of the oracle"
        several = len(self.outliers) > 1 and all(
            self.between(one, other) <= SAME for one in self.outliers for other in self.outliers
        )
        return f"{', '.join(self.outliers)} {'lie' if len(self.outliers) > 1 else 'lies'} outside the bound" + (
            ", and they agree with each other" if several else ""
        )

    def between(self, one: str, other: str) -> float:
        """Distance of two implementations."""
        return self.pairwise[self.labels.index(one)][self.labels.index(other)]


def compare_outputs(problem: Problem, outputs: dict[str, Arrays], left_out: dict[str, str]) -> Agreement:
    """The agreement of outputs that have the declared shapes and dtypes, by label."""
    labels = tuple(outputs)
    parts = problem.parts or (problem,)
    cuts = {label: [_cut(problem, part, arrays) for part in parts] for label, arrays in outputs.items()}
    truths = [_as_stored(part) for part in parts]
    to_oracle = tuple(_farthest(parts, cuts[label], truths) for label in labels)
    pairwise = tuple(tuple(_farthest(parts, cuts[one], cuts[other]) for other in labels) for one in labels)
    outliers = tuple(label for label, distance in zip(labels, to_oracle, strict=True) if distance > 1)
    alike = all(distance <= SAME for row in pairwise for distance in row)
    return Agreement(
        task=problem.case.task,
        case=problem.case.key,
        seed=problem.seed,
        labels=labels,
        to_oracle=to_oracle,
        pairwise=pairwise,
        left_out=left_out,
        outliers=outliers,
        suspect_reference=alike and len(outliers) == len(labels) > 1,
    )


def agree(
    session: Session,
    task: str,
    *,
    backends: Iterable[str] = (),
    cases: Sequence[Case] = (),
    options: Options | None = None,
) -> Iterator[Agreement]:
    """Run every implementation of a task on the same inputs and compare what they return; one result for each case.

    Args:
        session: whose catalogue holds the task.
        task: its name.
        backends: globs over names.
        cases: of the task; by default the first typical one, else the first.
        options: seed, isolation and timeout.

    Raises:
        UnknownNameError: unknown task or backend.
        NothingEvaluatedError: nobody implements the task.
    """
    catalogue, options = session.catalogue, options or Options()
    spec = catalogue.task(task)
    chosen = list(cases) or [next(iter((*spec.cases(roles=["typical"]), *spec.cases())))]
    seed = secrets.randbits(48) if options.seed is None else options.seed
    cache = oracles(options, ()) if options.seed is not None else None
    lanes = []
    for group in lineups(catalogue, Selection(tasks=(task,), backends=tuple(backends))):
        lane = Lane(catalogue.backend(group.backend), group.implementations[0].label, options, session.nursery)
        lane.work = [(Subject.registered(one), spec, case) for one in group.implementations for case in chosen]
        lanes.append(lane)
    try:
        open_all(lanes)
        for case in chosen:
            problem = Problem.pose(spec, case, seed, cache)
            outputs: dict[str, Arrays] = {}
            left_out: dict[str, str] = {}
            for lane in lanes:
                try:
                    outputs[lane.label] = _output(lane, problem)
                except KparityError as error:
                    left_out[lane.label] = str(error)
            yield compare_outputs(problem, outputs, left_out)
    finally:
        for lane in lanes:
            lane.close()


def select(spec: KernelSpec, keys: Iterable[str], dtypes: Iterable[str]) -> list[Case]:
    """The cases that globs over keys and dtypes choose; with dtypes alone, the first typical one in these.

    Raises:
        NothingEvaluatedError: none does.
    """
    found = list(spec.cases(dtypes=list(dtypes) or None))
    patterns = list(keys)
    if patterns:
        found = [case for case in found if any(fnmatch.fnmatchcase(case.key, pattern) for pattern in patterns)]
    else:
        found = [case for case in found if case.role == "typical"][:1] or found[:1]
    if not found:
        raise NothingEvaluatedError(f"no case of {spec.name} matches {[*patterns, *dtypes]}; see 'kparity show'")
    return found


def _output(lane: Lane, problem: Problem) -> Arrays:
    """What the lane's implementation returns.

    Raises:
        KparityError: why it returns nothing that could be compared.
    """
    if lane.runner is None:
        raise lane.unavailable or KparityError("the worker was lost")
    subject, runner = lane.work[0][0], lane.runner
    try:
        runner.load(target=subject.info.target, source=subject.source, entry_point=subject.entry_point)
        support = runner.supports(problem.case)
        if support.answer == "no":
            raise NothingEvaluatedError(support.reason or "not supported here")
        returned = runner.execute(problem.case, problem.inputs).outputs
    except WorkerError:
        lane.close()
        raise
    declared = [(info.shape, dtypes.dtype(info.dtype)) for info in problem.case.outputs]
    if [(array.shape, array.dtype) for array in returned] != declared:
        got = ", ".join(f"{array.dtype.name}{list(array.shape)}" for array in returned)
        raise KparityError(f"returned {got or 'nothing'}, declared is {problem.case.describe().partition('-> ')[2]}")
    return returned


def _cut(problem: Problem, part: Problem, outputs: Arrays) -> Arrays:
    return cut_outputs(problem.spec, outputs, part.chosen) if part.chosen else outputs


def _as_stored(part: Problem) -> Arrays:
    """The oracle, with infinities where the output dtype would overflow."""
    rounded = round_to(part.oracle, part.case)
    return tuple(
        np.where(np.isfinite(array.astype(np.float64)), truth, array.astype(np.float64))
        if dtypes.is_float(info.dtype)
        else truth
        for array, truth, info in zip(rounded, part.oracle, part.case.outputs, strict=True)
    )


def _farthest(parts: Sequence[Problem], ones: Sequence[Arrays], others: Sequence[Arrays]) -> float:
    distances = [
        _distance(one, other, bound, dtypes.is_float(info.dtype))
        for part, left, right in zip(parts, ones, others, strict=True)
        for one, other, bound, info in zip(left, right, part.bounds, part.case.outputs, strict=True)
    ]
    return max(distances, default=0.0)


def _distance(one: np.ndarray, other: np.ndarray, bound: np.ndarray, is_float: bool) -> float:
    if one.size == 0 or not is_float:
        return 0.0 if np.array_equal(one, other) else math.inf
    left, right = one.astype(np.float64), other.astype(np.float64)
    finite = np.isfinite(left) & np.isfinite(right)
    if not (finite | (left == right) | (np.isnan(left) & np.isnan(right))).all():
        return math.inf
    difference, allowed = np.abs(left[finite] - right[finite]), bound[finite]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(difference > 0, difference / allowed, 0.0)
    return float(np.max(ratio, initial=0.0))
