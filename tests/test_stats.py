"""The statistics of times: coverage by seeded simulation, exact ranks by enumeration, signs of a restless series."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kparity import UsageError
from kparity.ratios import EQUIVALENCE, _walsh_rank, compare_independent, compare_pairs, fewest_pairs
from kparity.records import quantile
from kparity.stats import CONFIDENCE, Interval, calmness, corrected, look_confidence, median_interval

TIMES = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=40)


def test_the_looks_together_spend_alpha():
    alpha = 1 - CONFIDENCE
    spent = list(itertools.accumulate(1 - look_confidence(look) for look in range(1, 5001)))
    assert all(total < alpha for total in spent)
    assert spent[-1] == pytest.approx(alpha, rel=1e-3)
    assert 1 - look_confidence(3, 0.9) == pytest.approx(0.1 / 12)


def test_several_comparisons_together_spend_alpha():
    assert 20 * (1 - corrected(0.95, 20)) == pytest.approx(0.05)
    assert corrected(0.95, 1) == corrected(0.95, 0) == pytest.approx(0.95)


@given(TIMES, st.sampled_from([0.9, 0.95, 0.999]))
def test_an_interval_of_the_median_holds_the_median_and_is_made_of_samples(samples, confidence):
    interval = median_interval(samples, confidence)
    assert interval.estimate == pytest.approx(quantile(samples, 0.5))
    assert interval.low <= interval.estimate <= interval.high
    assert {interval.low, interval.high} <= set(samples)
    wider = median_interval(samples, 0.9999)
    assert wider.low <= interval.low <= interval.high <= wider.high


def test_few_samples_give_the_whole_range_and_none_give_nothing():
    assert median_interval([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)
    with pytest.raises(UsageError, match="at least one sample"):
        median_interval([])


@pytest.mark.parametrize(("estimate", "width"), [(2.0, 0.25), (0.0, math.inf)])
def test_the_half_width_is_relative(estimate, width):
    assert Interval(estimate, 1.5, 2.5).half_width == width


@pytest.mark.parametrize("count", [6, 10, 25, 100])
@pytest.mark.parametrize("shape", ["normal", "lognormal", "bimodal"])
def test_intervals_of_the_median_cover_it_as_often_as_they_say(count, shape):
    rng = np.random.default_rng([count, len(shape)])
    draws = {
        "normal": lambda: 10 + rng.standard_normal(count),
        "lognormal": lambda: np.exp(rng.standard_normal(count)),
        "bimodal": lambda: np.where(rng.random(count) < 0.5, 1.0, 2.0) + 0.01 * rng.standard_normal(count),
    }
    truth = {"normal": 10.0, "lognormal": 1.0, "bimodal": 1.5}[shape]
    intervals = [median_interval(draws[shape]().tolist()) for _ in range(1000)]
    covered = sum(low <= truth <= high for _, low, high in intervals)
    assert covered >= 935  # 95 % less two standard deviations of a simulation of 1,000


@pytest.mark.parametrize("count", range(7, 12))
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.97])
def test_the_rank_among_walsh_averages_is_the_signed_rank_distributions(count, confidence):
    sums = [sum(ranks) for size in range(count + 1) for ranks in itertools.combinations(range(1, count + 1), size)]
    rank = _walsh_rank(count, round(1 - confidence, 9))

    def tail(limit):
        return sum(one <= limit for one in sums) / len(sums)

    assert tail(rank) <= (1 - confidence) / 2 < tail(rank + 1)


def test_the_normal_approximation_takes_over_smoothly():
    exact, normal = _walsh_rank(60, 0.05), _walsh_rank(61, 0.05)
    assert 0 < normal - exact < 40
    assert _walsh_rank(61, 0.01) < normal


@pytest.mark.parametrize(("confidence", "fewest"), [(0.95, 6), (0.975, 7), (0.999, 11), (0.9, 5)])
def test_fewer_pairs_than_the_confidence_needs_are_refused(confidence, fewest):
    assert fewest_pairs(confidence) == fewest
    assert 2 * 0.5**fewest <= 1 - confidence < 2 * 0.5 ** (fewest - 1)
    assert compare_pairs([1.0] * fewest, [1.0] * fewest, confidence=confidence).pairs == fewest
    with pytest.raises(UsageError, match=f"the same length, at least {fewest} for a confidence of {confidence:g}"):
        compare_pairs([1.0] * (fewest - 1), [1.0] * (fewest - 1), confidence=confidence)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1.0] * 7, [1.0] * 8, "the same length.* got 7 and 8"),
        ([1.0] * 6 + [0.0], [1.0] * 7, "times must be positive"),
        ([1.0] * 7, [1.0] * 6 + [-1.0], "times must be positive"),
    ],
)
def test_series_that_cannot_be_paired_are_refused(a, b, message):
    with pytest.raises(UsageError, match=message):
        compare_pairs(a, b)


PAIRS = st.lists(st.tuples(st.floats(1e-6, 1e2), st.floats(1e-6, 1e2)), min_size=6, max_size=30)


@given(PAIRS)
def test_a_comparison_turned_round_gives_the_inverse_ratio(pairs):
    a, b = zip(*pairs, strict=True)
    one, other = compare_pairs(a, b), compare_pairs(b, a)
    assert one.ratio.estimate * other.ratio.estimate == pytest.approx(1)
    assert one.ratio.low * other.ratio.high == pytest.approx(1)
    opposite = {"faster": "slower", "slower": "faster"}
    assert other.outcome == opposite.get(one.outcome, one.outcome)
    assert one.ratio.low <= one.ratio.estimate <= one.ratio.high


@given(PAIRS, st.floats(1e-3, 1e3))
def test_a_comparison_does_not_depend_on_the_unit(pairs, unit):
    a, b = zip(*pairs, strict=True)
    scaled = compare_pairs([one * unit for one in a], [one * unit for one in b])
    assert scaled.ratio == pytest.approx(compare_pairs(a, b).ratio)


def test_the_clocks_resolution_widens_the_interval():
    a, b = [1.02e-6] * 10, [1e-6] * 10
    assert compare_pairs(a, b).outcome == "slower"
    coarse = compare_pairs(a, b, resolution_s=1e-7)
    assert coarse.outcome == "inconclusive"
    assert (coarse.ratio.low, coarse.ratio.high) == pytest.approx((1.02 / 1.1, 1.02 * 1.1))


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.996, 1.004, "equivalent"),
        (0.996, 0.999, "equivalent"),
        (0.98, 0.994, "faster"),
        (0.98, 0.999, "inconclusive"),
        (1.006, 1.02, "slower"),
        (1.001, 1.02, "inconclusive"),
        (0.98, 1.02, "inconclusive"),
        (0.98, 1.0, "inconclusive"),
        (1.0, 1.02, "inconclusive"),
    ],
)
def test_the_outcome_follows_from_the_interval(low, high, outcome):
    assert compare_independent(Interval(1.0, low, high), Interval(1.0, 1.0, 1.0), EQUIVALENCE).outcome == outcome


def test_intervals_that_were_taken_apart_are_compared_by_their_extremes():
    result = compare_independent(Interval(2.0, 1.9, 2.2), Interval(1.0, 0.95, 1.1))
    assert result.ratio == pytest.approx((2.0, 1.9 / 1.1, 2.2 / 0.95))
    assert (result.outcome, result.pairs) == ("slower", 0)


@pytest.mark.parametrize("count", [8, 20, 80])
def test_paired_intervals_cover_the_ratio_as_often_as_they_say_under_drift(count):
    rng = np.random.default_rng(count)
    covered = 0
    for _ in range(1000):
        drift = 1 + rng.uniform(-0.3, 0.3) * np.arange(count) / count
        a = 1.01 * drift * np.exp(0.005 * rng.standard_normal(count))
        b = drift * np.exp(0.005 * rng.standard_normal(count))
        ratio = compare_pairs(a.tolist(), b.tolist()).ratio
        covered += ratio.low <= 1.01 <= ratio.high
    assert covered >= 935


def noisy(seed, count, noise=0.005):
    return np.random.default_rng(seed).normal(1.0, noise, count) * 1e-3


@pytest.mark.parametrize("change", [0.03, -0.03, 0.2])
@pytest.mark.parametrize("count", [30, 200, 1000])
def test_drift_is_found_with_its_size(change, count):
    samples = noisy(1, count) * (1 + change * np.linspace(0, 1, count))
    relative = change / (1 + change / 2)  # to the median
    assert calmness(samples.tolist()).drift == pytest.approx(relative, abs=0.012)
    assert not calmness(samples.tolist()).bimodal


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("apart", [0.05, 0.5])
def test_two_clusters_are_found(share, apart):
    rng = np.random.default_rng(7)
    samples = noisy(2, 200, 0.002) * np.where(rng.random(200) < share, 1 + apart, 1.0)
    assert calmness(samples.tolist()).bimodal


@pytest.mark.parametrize("count", [10, 40, 400])
def test_calm_series_show_nothing(count):
    alarms = [calmness(noisy(seed, count).tolist()) for seed in range(100)]
    assert sum(bool(one.drift) for one in alarms) <= 1
    assert sum(one.bimodal for one in alarms) <= 1


@pytest.mark.parametrize(
    "samples",
    [
        [1e-3] * 50,
        [1e-3, 2e-3] * 3,
        [1e-3] * 49 + [5e-3],
        (1e-3 * (1 + 0.0005 * np.linspace(0, 1, 100))).tolist(),
    ],
    ids=["constant", "too few", "one outlier", "a trend that does not matter"],
)
def test_what_only_looks_like_a_sign_is_none(samples):
    assert calmness(samples) == (0.0, False)


def test_what_lies_within_two_steps_of_the_clock_is_neither_drift_nor_two_clusters():
    ticks = [1e-6 + 5e-8 * (step % 2) for step in range(40)]
    assert calmness(ticks).bimodal
    assert not calmness(ticks, resolution_s=5e-8).bimodal
    assert calmness(ticks, resolution_s=1e-9).bimodal
    climbing = [1e-6 + 5e-8 * (step >= 20) for step in range(40)]
    assert calmness(climbing).drift > 0
    assert calmness(climbing, resolution_s=5e-8).drift == 0.0
