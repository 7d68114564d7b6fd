"""Comparing two implementations whose processes differ by more than their kernels may: the process is replicated.

The very same code is a few per cent faster or slower in one process than in the next, for as long as that lives: by the
pages and the alignment that it got, and by where its threads run. Samples of one pair of processes, however many, say
nothing of that. So each side gets several processes, one after the other, and a pair of them is one observation.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from kparity.case import Case
from kparity.compare import Compared, ComparePolicy, Contestant, Pairs, compared
from kparity.ratios import Comparison, compare_replicates, log_ratio
from kparity.stats import corrected, look_confidence
from kparity.timing import host_resolution

FEWEST = 3
"""Pairs of processes that a comparison takes even where its budget is spent."""

MOST = 4
"""Times as many pairs of processes as were asked for, at which an open comparison ends."""

Fresh = Callable[[int], AbstractContextManager[tuple[Contestant, Contestant]]]
"""Makes the two sides of the pair with that number, from 0, in workers of their own, prepared; leaving ends them."""


def compare_processes(
    case: Case,
    fresh: Fresh,
    policy: ComparePolicy,
    *,
    cases: int = 1,
    exclusive: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Compared:
    """Compare two implementations on one case over several pairs of processes.

    Within a pair the two take turns as in `compare_on`, and which of them begins alternates from pair to pair.

    Args:
        case: what is compared.
        fresh: makes the pairs.
        policy: how to sample.
        cases: how many cases this comparison consists of, for the correction of the confidence.
        exclusive: held while samples are taken.

    Raises:
        UsageError: the two can only be read on unlike clocks.
    """
    confidence = corrected(policy.confidence, cases)
    started = time.perf_counter()
    log_ratios: list[float] = []
    shortest = math.inf
    result: Comparison | None = None
    planned = max(policy.processes, FEWEST)
    look, wanted = 0, planned
    while result is None or (result.outcome == "inconclusive" and wanted <= MOST * planned):
        look += 1
        spent = False
        while len(log_ratios) < wanted and not spent:
            number = len(log_ratios)
            with fresh(number) as sides:
                pairs = _taken(sides, number, policy, exclusive)
            log_ratios.append(log_ratio(pairs.first, pairs.second) * (-1 if number % 2 else 1))
            shortest = min(shortest, statistics.median(pairs.first), statistics.median(pairs.second))
            spent = len(log_ratios) >= FEWEST and time.perf_counter() - started > policy.budget_s
        result = compare_replicates(
            log_ratios,
            blur=math.log1p(host_resolution() / shortest),
            confidence=look_confidence(look, confidence),
            margin=policy.margin,
        )
        if spent:
            break
        wanted *= 2
    total = result._replace(pairs=len(log_ratios) * policy.turns)
    seconds = time.perf_counter() - started
    return compared(case, *sides, pairs.measurand, total, confidence, seconds, processes=len(log_ratios))


def _taken(
    sides: tuple[Contestant, Contestant],
    number: int,
    policy: ComparePolicy,
    exclusive: Callable[[], AbstractContextManager[object]],
) -> Pairs:
    """The observations of one pair of processes; in every other pair the second side begins and counts as the first."""
    first, second = reversed(sides) if number % 2 else sides
    pairs = Pairs(first, second, policy)
    with exclusive():
        pairs.warm_up()
        for _ in range(policy.turns):
            pairs.take()
    return pairs
