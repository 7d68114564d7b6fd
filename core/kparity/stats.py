"""The statistics of a series of times: intervals for its median, and signs that it is not calm."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kparity.errors import UsageError

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """An estimate with its confidence limits."""

    estimate: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the width over the estimate."""
        return (self.high - self.low) / 2 / self.estimate if self.estimate else math.inf


def median_interval(samples: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Distribution-free confidence interval for the median from order statistics.

    The number of samples below the true median is binomial(n, 1/2); the limits are the order statistics whose ranks
    leave at most (1 - confidence) / 2 in each tail. Too few samples give the whole range.
    """
    if not samples:
        raise UsageError("an interval needs at least one sample")
    ordered = sorted(samples)
    rank = _lower_rank(len(ordered), round(1 - confidence, 9))
    return Interval(float(np.median(ordered)), ordered[rank], ordered[len(ordered) - 1 - rank])


@functools.lru_cache(maxsize=4096)
def _lower_rank(count: int, alpha: float) -> int:
    from scipy.stats import binom

    return max(int(binom.ppf(alpha / 2, count, 0.5)) - 1, 0)


def look_confidence(look: int, confidence: float = CONFIDENCE) -> float:
    """Confidence to use at the `look`-th inspection (from 1) so that all of them together keep `confidence`.

    The error probability alpha is spent as alpha / (k (k + 1)), which sums to alpha.
    """
    return 1 - (1 - confidence) / (look * (look + 1))


def corrected(confidence: float, comparisons: int) -> float:
    """Confidence for each of several comparisons so that all of them together keep `confidence` (Bonferroni)."""
    return 1 - (1 - confidence) / max(comparisons, 1)


class Calmness(NamedTuple):
    """Signs that samples were not taken under constant conditions.

    Attributes:
        drift: relative change from the first to the last sample that a monotone trend explains; 0 where none shows.
        bimodal: the samples fall into two clusters.
    """

    drift: float
    bimodal: bool


def calmness(samples: Sequence[float], resolution_s: float = 0.0) -> Calmness:
    """Look for a trend (Kendall's tau with Theil-Sen slope) and for two clusters (a gap between sorted samples).

    A trend counts if it is significant at 0.001 and moves the time by at least 1 %. Two clusters: each holds at least
    a fifth of the samples, and the gap between them is over five times the spread inside either, and 1 % of the median.
    What lies within two steps of the clock is neither.
    """
    if len(samples) < 8:
        return Calmness(0.0, False)
    from scipy.stats import kendalltau, theilslopes

    values = np.asarray(samples, dtype=np.float64)
    if len(values) > 500:  # both are quadratic: look at 500 samples spread over the series
        values = values[np.linspace(0, len(values) - 1, 500).astype(int)]
    median = float(np.median(values))
    drift = 0.0
    if values.min() < values.max() and kendalltau(np.arange(len(values)), values).pvalue < 1e-3:
        change = float(theilslopes(values).slope) * (len(values) - 1) / median
        drift = change if abs(change) >= max(0.01, 2 * resolution_s / median) else 0.0
    return Calmness(drift, _two_clusters(np.sort(values), max(0.01 * median, 2 * resolution_s)))


def _two_clusters(ordered: np.ndarray, least_gap: float) -> bool:
    least = len(ordered) // 5
    gaps = np.diff(ordered)[least - 1 : len(ordered) - least]
    if gaps.size == 0:
        return False
    place = int(np.argmax(gaps)) + least
    inside = max(_spread(ordered[:place]), _spread(ordered[place:]), 1e-12)
    return bool(gaps.max() > 5 * inside and gaps.max() > least_gap)


def _spread(values: np.ndarray) -> float:
    return float(np.quantile(values, 0.75) - np.quantile(values, 0.25))
