"""Which of two implementations is faster: paired, interleaved samples of both on one device, judged on log-ratios.

The two take turns A B B A, so that a drift of the machine cancels within each pair, and sampling goes on until the
interval tells them apart, shows them equivalent, or the budget is spent.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import msgspec

from kparity.case import Case
from kparity.errors import UsageError
from kparity.evaluation import Subject
from kparity.problem import Problem
from kparity.ratios import EQUIVALENCE, Comparison, Outcome, compare_independent, compare_pairs, fewest_pairs
from kparity.records import CacheState, Evaluation, Measurand
from kparity.roofline import primary_time
from kparity.sandbox.engine import Block
from kparity.sandbox.host import Runner
from kparity.stats import CONFIDENCE, Interval, corrected, look_confidence
from kparity.timing import host_resolution
from kparity.verify import Evidence, judge


class ComparePolicy(msgspec.Struct, frozen=True):
    """How a comparison is sampled; these are the defaults.

    Attributes:
        confidence: of all cases of one comparison together.
        margin: relative difference that does not matter.
        block: samples of one implementation in a row; their median is one observation.
        minimum, maximum: pairs of observations.
        budget_s: seconds for one case, after which no further pairs are begun.
        cache: state of the cache before each sample.
        processes: fresh pairs of workers of one case where times are read on the host clock and the two sides cannot
            share a worker; up to four times as many while the outcome is open, fewer where the budget is spent.
        turns: pairs of observations from each such pair of workers.
    """

    confidence: float = CONFIDENCE
    margin: float = EQUIVALENCE
    block: int = 5
    minimum: int = 8
    maximum: int = 256
    budget_s: float = 10.0
    cache: CacheState = "cold"
    processes: int = 6
    turns: int = 4


class Compared(msgspec.Struct, frozen=True):
    """The comparison of two implementations on one case.

    Attributes:
        ratio: time of the first over time of the second; `low` and `high` are its confidence limits.
        outcome: of the first against the second.
        confidence: of this interval, corrected for the number of cases.
        pairs: paired observations behind it; 0 where two recorded intervals were compared.
        seconds: that the comparison took.
        processes: pairs of workers behind it. Where there are several, one is one observation and the interval covers
            what differs from one process to the next; where there is one, it does not.
    """

    task: str
    case: str
    first: str
    second: str
    measurand: Measurand
    ratio: float
    low: float
    high: float
    outcome: Outcome
    confidence: float
    pairs: int
    seconds: float
    processes: int = 1


@dataclass(frozen=True)
class Contestant:
    """One side: an opened and calibrated runner with the subject that it runs.

    Attributes:
        clock_s: step of the device's clock in seconds, as its self-test measured it; 0 where it has none.
        place: where in the runner it is loaded; two that share a runner need different places.
    """

    subject: Subject
    runner: Runner
    clock_s: float = 0.0
    place: int = 0

    def sample(self, count: int, cold: bool) -> Block:
        """A few samples of it."""
        self.runner.use(self.place)
        return self.runner.sample(count, cold)

    def prepare(self, problem: Problem) -> None:
        """Load, run and verify: what is not right is not compared.

        Raises:
            UsageError: the implementation does not pass this case, or is emulated here.
        """
        info = self.subject.info
        self.runner.use(self.place)
        self.runner.load(target=info.target, source=self.subject.source, entry_point=self.subject.entry_point)
        support = self.runner.supports(problem.case)
        if support.answer != "yes":
            raise UsageError(f"{info.label} cannot be timed on {problem.case.key}: {support.reason or support.answer}")
        returned = self.runner.execute(problem.case, problem.inputs)
        verdict = judge(Evidence(problem, returned.outputs, returned.inputs_digest))
        if verdict.status != "passed":
            raise UsageError(f"{info.label} does not pass {problem.case.key} and is not timed: {verdict.message}")


def compare_on(
    case: Case,
    first: Contestant,
    second: Contestant,
    policy: ComparePolicy,
    *,
    cases: int = 1,
    exclusive: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Compared:
    """Compare two implementations on one case of one device.

    Args:
        case: what both sides executed last.
        first, second: the two sides, each prepared with the same problem, in workers or at places of their own.
        policy: how to sample.
        cases: how many cases this comparison consists of, for the correction of the confidence.
        exclusive: held while samples are taken.

    Raises:
        UsageError: the two can only be read on unlike clocks.
    """
    confidence = corrected(policy.confidence, cases)
    started = time.perf_counter()
    pairs = Pairs(first, second, policy)
    result: Comparison | None = None
    with exclusive():
        pairs.warm_up()
        on_device = pairs.measurand == "device"
        resolution_s = max(first.clock_s, second.clock_s) if on_device else host_resolution()
        look, wanted = 0, policy.minimum
        while result is None or (result.outcome == "inconclusive" and wanted <= policy.maximum):
            look += 1
            this_look = look_confidence(look, confidence)
            least = max(policy.minimum, fewest_pairs(this_look))
            while len(pairs.first) < max(wanted, least):
                pairs.take()
                if time.perf_counter() - started > policy.budget_s and len(pairs.first) >= least:
                    break
            result = compare_pairs(
                pairs.first, pairs.second, resolution_s=resolution_s, confidence=this_look, margin=policy.margin
            )
            if time.perf_counter() - started > policy.budget_s:
                break
            wanted *= 2
    return compared(case, first, second, pairs.measurand, result, confidence, time.perf_counter() - started)


class Pairs:
    """Paired observations of two sides, in seconds, as they are taken.

    Attributes:
        first, second: one observation of each side, pair by pair.
        measurand: what both are read on.
    """

    def __init__(self, first: Contestant, second: Contestant, policy: ComparePolicy) -> None:
        self._sides = (first, second)
        self._policy = policy
        self.first: list[float] = []
        self.second: list[float] = []
        self.measurand: Measurand = "end_to_end"

    def warm_up(self) -> None:
        """A block of each, thrown away; decides which clock both can be read on."""
        on_device = [bool(side.sample(3, self._policy.cache == "cold").device) for side in self._sides]
        if all(on_device):
            self.measurand = "device"
        elif any(on_device):
            raise UsageError("only one of the two has a trusted device clock; unlike measurands are never compared")

    def take(self) -> None:
        """One pair: A B B A, the two halves of each averaged on the log scale."""
        a, b = self._sides
        seen = [self._block(side) for side in (a, b, b, a)]
        self.first.append(math.sqrt(seen[0] * seen[3]))
        self.second.append(math.sqrt(seen[1] * seen[2]))

    def _block(self, side: Contestant) -> float:
        block = side.sample(self._policy.block, self._policy.cache == "cold")
        if self.measurand == "device" and not block.device:
            raise UsageError("the device clock failed during the comparison; its times are not used")
        return statistics.median(block.device if self.measurand == "device" else block.end_to_end)


def compare_records(first: Evaluation, second: Evaluation, margin: float = EQUIVALENCE) -> Compared:
    """Compare two recorded evaluations of the same case, e.g. on two devices, by their intervals.

    Raises:
        UsageError: different cases, times missing, or unlike measurands or cache states.
    """
    if (first.task, first.case.key) != (second.task, second.case.key):
        raise UsageError(f"{first.task} {first.case.key} and {second.task} {second.case.key} are different problems")
    a, b = primary_time(first), primary_time(second)
    if a is None or b is None:
        raise UsageError("both evaluations need times")
    if a.measurand != b.measurand or a.cache != b.cache:
        raise UsageError(f"{a.measurand} ({a.cache} cache) and {b.measurand} ({b.cache} cache) are never compared")
    result = compare_independent(Interval(a.median_s, *a.interval_s), Interval(b.median_s, *b.interval_s), margin)
    return Compared(
        task=first.task,
        case=first.case.key,
        first=first.implementation.label,
        second=second.implementation.label,
        measurand=a.measurand,
        ratio=result.ratio.estimate,
        low=result.ratio.low,
        high=result.ratio.high,
        outcome=result.outcome,
        confidence=2 * CONFIDENCE - 1,
        pairs=0,
        seconds=0.0,
        processes=0,
    )


def compared(
    case: Case,
    first: Contestant,
    second: Contestant,
    measurand: Measurand,
    result: Comparison,
    confidence: float,
    seconds: float,
    processes: int = 1,
) -> Compared:
    """The result for two sides."""
    return Compared(
        task=case.task,
        case=case.key,
        first=first.subject.info.label,
        second=second.subject.info.label,
        measurand=measurand,
        ratio=result.ratio.estimate,
        low=result.ratio.low,
        high=result.ratio.high,
        outcome=result.outcome,
        confidence=confidence,
        pairs=result.pairs,
        seconds=seconds,
        processes=processes,
    )
