"""Which of two is faster: ratios of times with confidence limits, and what follows from them."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from kparity.errors import UsageError
from kparity.stats import CONFIDENCE, Interval

Outcome = Literal["faster", "slower", "equivalent", "inconclusive"]

EQUIVALENCE = 0.005
"""Relative difference that does not matter: below it times are equivalent, and only beyond it faster or slower."""


class Comparison(NamedTuple):
    """How much longer A takes than B.

    Attributes:
        ratio: time of A over time of B, with its confidence limits.
        outcome: of A against B.
        pairs: number of paired observations.
    """

    ratio: Interval
    outcome: Outcome
    pairs: int


def compare_pairs(
    a: Sequence[float],
    b: Sequence[float],
    *,
    resolution_s: float = 0.0,
    confidence: float = CONFIDENCE,
    margin: float = EQUIVALENCE,
) -> Comparison:
    """Compare paired times: the Hodges-Lehmann estimate of the log-ratio with the signed-rank confidence interval.

    The estimate is the median of the Walsh averages of the log-ratios; the limits are Walsh averages at the ranks that
    Wilcoxon's signed-rank distribution gives (Hollander, Wolfe and Chicken, Nonparametric Statistical Methods,
    3.2-3.3), then widened by the clock's resolution relative to the shorter median.

    Args:
        a, b: seconds, pair by pair.
        resolution_s: of the clock.
        confidence: of the interval; correct it for multiple comparisons with `corrected`.
        margin: relative difference that does not matter.

    Raises:
        UsageError: the series differ in length, hold fewer than `fewest_pairs`, or hold times that are not positive.
    """
    least = fewest_pairs(confidence)
    if len(a) != len(b) or len(a) < least:
        raise UsageError(
            f"a paired comparison needs two series of the same length, at least {least} for a confidence of "
            f"{confidence:g}; got {len(a)} and {len(b)}"
        )
    if min(*a, *b) <= 0:
        raise UsageError("times must be positive")
    difference = np.log(np.asarray(a)) - np.log(np.asarray(b))
    walsh = _walsh_averages(difference)
    rank = _walsh_rank(len(difference), round(1 - confidence, 9))
    widen = math.log1p(resolution_s / min(float(np.median(a)), float(np.median(b))))
    low, high = float(walsh[rank]) - widen, float(walsh[len(walsh) - 1 - rank]) + widen
    ratio = Interval(math.exp(float(np.median(walsh))), math.exp(low), math.exp(high))
    return Comparison(ratio, _outcome(ratio, margin), len(difference))


def log_ratio(a: Sequence[float], b: Sequence[float]) -> float:
    """The Hodges-Lehmann estimate of the log-ratio of paired times."""
    return float(np.median(_walsh_averages(np.log(np.asarray(a)) - np.log(np.asarray(b)))))


def compare_replicates(
    log_ratios: Sequence[float],
    *,
    blur: float = 0.0,
    confidence: float = CONFIDENCE,
    margin: float = EQUIVALENCE,
) -> Comparison:
    """Compare two sides of which each was replicated as a whole: mean log-ratio with Student's interval.

    Each replicate is one observation, however many samples stand behind it, so that the interval covers what differs
    between replicates. Student's interval keeps its confidence for normal, two-valued and heavy-tailed effects alike
    from three replicates on, as simulations in tests/test_replication.py show; the signed-rank interval of
    `compare_pairs` exists only from six.

    Args:
        log_ratios: of each replicate.
        blur: widens the limits on the log scale, e.g. for the clock's resolution.
        confidence, margin: as in `compare_pairs`.

    Raises:
        UsageError: fewer than two replicates.
    """
    count = len(log_ratios)
    if count < 2:
        raise UsageError(f"an interval over replicates needs at least two of them; got {count}")
    from scipy.stats import t

    values = np.asarray(log_ratios, dtype=np.float64)
    mean = float(values.mean())
    half = float(t.ppf((1 + confidence) / 2, count - 1) * values.std(ddof=1)) / math.sqrt(count) + blur
    ratio = Interval(math.exp(mean), math.exp(mean - half), math.exp(mean + half))
    return Comparison(ratio, _outcome(ratio, margin), count)


def fewest_pairs(confidence: float = CONFIDENCE) -> int:
    """Pairs below which not even the whole range of the Walsh averages has this confidence: six at 95 %."""
    return math.ceil(math.log2(2 / round(1 - confidence, 9)))


def compare_series(
    a: Sequence[float],
    b: Sequence[float],
    *,
    drift: float,
    resolution_s: float = 0.0,
    confidence: float = CONFIDENCE,
    margin: float = EQUIVALENCE,
) -> Comparison:
    """Compare two series that were taken apart: the Hodges-Lehmann shift of the logarithms with its rank-sum interval.

    The estimate is the median of all differences between a logarithm of `a` and one of `b`; the limits are differences
    at the ranks that the Mann-Whitney distribution gives (Hollander, Wolfe and Chicken, Nonparametric Statistical
    Methods, 4.2-4.3). They hold for the two series as they were taken. What changed on the machine in between is no
    sampling error, so they are widened by `drift`, and by the clock's resolution relative to the shorter median; the
    two are equivalent where the limits lie within that allowance before they are widened. Where there are too few
    samples for the confidence, the limits are the extremes of all differences; `series_confidence` says how much
    confidence they have.

    Args:
        a, b: seconds, each in the order taken.
        drift: relative difference between two series of the same thing that is put down to the machine.
        resolution_s, confidence, margin: as in `compare_pairs`.

    Raises:
        UsageError: an empty series, or times that are not positive.
    """
    if not a or not b or min(*a, *b) <= 0:
        raise UsageError("two series of positive times are needed")
    first, second = np.log(_thinned(a)), np.log(_thinned(b))
    shifts = np.sort((first[:, None] - second[None, :]).ravel())
    rank = max(_rank_sum_rank(len(first), len(second), round(1 - confidence, 9)), 0)
    middle = math.exp(float(np.median(shifts)))
    widen = math.log1p(drift) + math.log1p(resolution_s / min(float(np.median(a)), float(np.median(b))))
    low, high = float(shifts[rank]), float(shifts[len(shifts) - 1 - rank])
    ratio = Interval(middle, math.exp(low - widen), math.exp(high + widen))
    same = max(-low, high) <= max(widen, math.log1p(margin))
    return Comparison(ratio, "equivalent" if same else _outcome(ratio, 0.0), 0)


def series_confidence(n: int, m: int) -> float:
    """Confidence of the extremes of all differences between two series: the most that `compare_series` can give."""
    return 1 - 2 / math.comb(n + m, n)


def compare_independent(a: Interval, b: Interval, margin: float = EQUIVALENCE) -> Comparison:
    """Compare two intervals that were taken apart, e.g. on two devices: the ratio's limits come from the extremes.

    Conservative: if each interval holds with confidence c, the ratio's holds with at least 2 c - 1.
    """
    ratio = Interval(a.estimate / b.estimate, a.low / b.high, a.high / b.low)
    return Comparison(ratio, _outcome(ratio, margin), 0)


def _outcome(ratio: Interval, margin: float) -> Outcome:
    """A difference counts only where the whole interval lies beyond the margin.

    Two processes that run the very same kernel differ by a few tenths of a percent for good, by where their memory and
    their code happen to lie: an interval that merely excludes 1 says nothing of the kernels.
    """
    least, most = 1 / (1 + margin), 1 + margin
    if least <= ratio.low and ratio.high <= most:
        return "equivalent"
    if ratio.high < least:
        return "faster"
    return "slower" if ratio.low > most else "inconclusive"


def _walsh_averages(values: np.ndarray) -> np.ndarray:
    """The means of all pairs of values, each with itself included, sorted."""
    rows, columns = np.triu_indices(len(values))
    return np.sort((values[rows] + values[columns]) / 2)


@functools.lru_cache(maxsize=4096)
def _walsh_rank(count: int, alpha: float) -> int:
    """Index of the lower confidence limit among the sorted Walsh averages: exact up to 60 pairs, then normal."""
    if count > 60:
        mean = count * (count + 1) / 4
        deviation = math.sqrt(count * (count + 1) * (2 * count + 1) / 24)
        return max(int(mean - statistics.NormalDist().inv_cdf(1 - alpha / 2) * deviation - 0.5) - 1, 0)
    ways = np.zeros(count * (count + 1) // 2 + 1)  # ways[w]: subsets of ranks 1..count that sum to w
    ways[0] = 1
    for one in range(1, count + 1):
        ways[one:] = ways[one:] + ways[: len(ways) - one]
    below = np.cumsum(ways / 2.0**count)
    return max(int(np.searchsorted(below, alpha / 2, side="right")) - 1, 0)


def _thinned(samples: Sequence[float], most: int = 200) -> np.ndarray:
    """At most so many samples, spread over the series."""
    values = np.asarray(samples, dtype=np.float64)
    return values if len(values) <= most else values[np.linspace(0, len(values) - 1, most).astype(int)]


@functools.lru_cache(maxsize=4096)
def _rank_sum_rank(n: int, m: int, alpha: float) -> int:
    """Index of the lower confidence limit among the sorted differences: exact for small series, then normal.

    -1 where not even the whole range has that confidence.
    """
    if n * m > 400:
        deviation = math.sqrt(n * m * (n + m + 1) / 12)
        return max(int(n * m / 2 - statistics.NormalDist().inv_cdf(1 - alpha / 2) * deviation - 0.5) - 1, -1)
    ways = np.zeros(n * m + 1)  # ways[u]: rankings whose Mann-Whitney statistic is u, a Gaussian binomial coefficient
    ways[0] = 1
    for one in range(1, n + 1):
        ways[m + one :] -= ways[: max(len(ways) - m - one, 0)].copy()
        for start in range(min(one, len(ways))):
            ways[start::one] = np.cumsum(ways[start::one])
    below = np.cumsum(ways) / math.comb(n + m, n)
    return int(np.searchsorted(below, alpha / 2, side="right")) - 1
