"""Comparisons over several processes: simulated error rates of lasting process effects, and what is made fresh.

No test asserts how long something really took: simulated runners make up their times from a seed.
"""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from toy import ToyBackend, scale, toy_plugin

from kparity import Options, Session, UsageError
from kparity.compare import ComparePolicy, Contestant, compare_on
from kparity.evaluation import Subject
from kparity.ratios import compare_replicates, log_ratio
from kparity.records import ImplementationInfo
from kparity.replication import FEWEST, MOST, compare_processes
from kparity.sandbox.engine import Block

CASE = next(case for case in scale.cases() if case.key == "n=64,T=float32")
ENDLESS = ComparePolicy(budget_s=1e9)
NOISE = 0.005


class Process:
    """A runner whose samples share an effect that lasts as long as it lives."""

    def __init__(self, rng, name, seconds, order, device=False):
        self.rng, self.name, self.seconds, self.order, self.device = rng, name, seconds, order, device

    def use(self, place):
        pass

    def sample(self, count, cold):
        self.order.append(self.name)
        noise = np.exp(NOISE * self.rng.standard_normal(count))
        samples = [self.seconds * float(one) for one in noise]
        return Block(samples if self.device else [], samples)


class Machine:
    """Makes fresh pairs of processes; `effect(rng)` draws the logarithm of a lasting effect for each process."""

    def __init__(self, seed, slowdown=0.0, effect=lambda rng: 0.02 * rng.standard_normal(), device=(False, False)):
        self.rng = np.random.default_rng(seed)
        self.slowdown, self.effect, self.device = slowdown, effect, device
        self.order, self.made, self.open = [], [], 0

    @contextlib.contextmanager
    def fresh(self, number):
        self.made.append(number)
        self.open += 1
        yield tuple(
            Contestant(
                Subject(ImplementationInfo("simulated", name), "toy/scale"),
                Process(self.rng, name, 1e-3 * scale_ * math.exp(self.effect(self.rng)), self.order, device),
            )
            for name, scale_, device in zip(("first", "second"), (1 + self.slowdown, 1), self.device, strict=True)
        )
        self.open -= 1

    def compare(self, policy=ENDLESS, **arguments):
        return compare_processes(CASE, self.fresh, policy, **arguments)


EFFECTS = {
    "normal": lambda rng: 0.02 * rng.standard_normal(),
    "two-valued": lambda rng: 0.04 * rng.integers(0, 2),
    "heavy-tailed": lambda rng: 0.01 * rng.standard_t(3),
    "rare": lambda rng: 0.05 * (rng.random() < 0.1),
}


@pytest.mark.parametrize("effect", EFFECTS)
def test_what_differs_between_processes_is_rarely_called_a_difference_of_kernels(effect):
    results = [Machine([seed, 1], effect=EFFECTS[effect]).compare() for seed in range(200)]
    # 5 % of 200 are 10; 17 are more than three binomial standard deviations of 3.1 over that
    assert sum(one.outcome in ("faster", "slower") for one in results) <= 17
    assert sum(one.low <= 1 <= one.high for one in results) >= 183


def test_one_pair_of_processes_calls_their_difference_most_of_the_time():
    calls = 0
    for seed in range(100):
        with Machine([seed, 1]).fresh(0) as (first, second):
            calls += compare_on(CASE, first, second, ENDLESS).outcome in ("faster", "slower")
    assert calls >= 50


@pytest.mark.parametrize("slowdown", [0.1, -0.1])
def test_differences_beyond_the_processes_own_are_found(slowdown):
    results = [Machine([seed, 2], slowdown=slowdown).compare() for seed in range(60)]
    wanted = "slower" if slowdown > 0 else "faster"
    assert sum(one.outcome == wanted for one in results) >= 57
    assert np.median([one.ratio for one in results]) == pytest.approx(1 + slowdown, abs=0.01)


def test_where_processes_do_not_differ_small_differences_are_found_and_equal_sides_are_equivalent():
    calm = {"effect": lambda rng: 0.0}
    slow = [Machine([seed, 3], slowdown=0.02, **calm).compare() for seed in range(40)]
    same = [Machine([seed, 4], **calm).compare() for seed in range(40)]
    assert sum(one.outcome == "slower" for one in slow) >= 38
    assert sum(one.outcome == "equivalent" for one in same) >= 38


def test_the_sides_take_turns_at_beginning_and_every_pair_is_fresh():
    machine = Machine(1, slowdown=0.5)
    result = machine.compare(ComparePolicy(processes=4, turns=2, budget_s=1e9))
    assert (result.processes, result.pairs, result.measurand) == (4, 8, "end_to_end")
    assert machine.made == [0, 1, 2, 3]
    assert machine.open == 0
    a, b = ["first", "second"], ["second", "first"]
    assert machine.order == [*a, *(a + b) * 2, *b, *(b + a) * 2] * 2
    assert result.ratio == pytest.approx(1.5, rel=0.1)
    assert (result.first, result.second) == ("simulated:first", "simulated:second")


def test_an_open_comparison_takes_more_processes_and_ends_at_the_budget_or_at_the_most():
    def open_(rng):
        return 0.2 * rng.standard_normal()

    assert Machine(1, effect=open_).compare().processes == 6 * MOST
    spent = Machine(1, effect=open_).compare(ComparePolicy(budget_s=0.0))
    assert (spent.processes, spent.outcome) == (FEWEST, "inconclusive")


def test_many_cases_together_have_wider_intervals():
    policy = ComparePolicy(processes=6, budget_s=0.0)
    one, many = Machine(5).compare(policy), Machine(5).compare(policy, cases=20)
    assert many.confidence == pytest.approx(1 - 0.05 / 20)
    assert many.low < one.low < one.high < many.high


@pytest.mark.parametrize("device", [(True, False), (False, True)])
def test_unlike_measurands_are_never_paired(device):
    with pytest.raises(UsageError, match="unlike measurands are never compared"):
        Machine(1, device=device).compare()


def test_the_machine_is_held_for_samples_and_not_while_workers_start():
    machine, held = Machine(1, slowdown=0.5), []

    @contextlib.contextmanager
    def exclusive():
        held.append(len(machine.order))
        yield
        held.append(len(machine.order))

    machine.compare(ComparePolicy(processes=3, turns=1, budget_s=1e9), exclusive=exclusive)
    assert held == [0, 6, 6, 12, 12, 18]


def test_an_interval_over_replicates_is_students():
    found = compare_replicates([0.01, 0.02, 0.03], confidence=0.95)
    half = 4.302653 * 0.01 / math.sqrt(3)
    assert found.ratio == pytest.approx(tuple(map(math.exp, (0.02, 0.02 - half, 0.02 + half))), rel=1e-6)
    blurred = compare_replicates([0.01, 0.02, 0.03], blur=0.1)
    assert math.log(blurred.ratio.high) - math.log(found.ratio.high) == pytest.approx(0.1)
    with pytest.raises(UsageError, match="at least two of them; got 1"):
        compare_replicates([0.01])


def test_the_log_ratio_of_pairs_is_their_hodges_lehmann_estimate():
    assert log_ratio([2.0, 2.0, 2.0], [1.0, 1.0, 1.0]) == pytest.approx(math.log(2))
    assert log_ratio([2.0, 2.0, 2.0, 90.0], [1.0, 1.0, 1.0, 1.0]) < math.log(3.9)


def test_a_candidate_on_the_processor_is_compared_over_fresh_workers(caches, pids):
    session = Session(extra=[toy_plugin("good", backends=[ToyBackend()])], discover=False)
    candidate = Subject.candidate(
        "toy/scale", "toy", "import toy_kernels\ndef scale(x, factor=2.0): return x * factor", "scale"
    )
    seen = []

    def note(self, problem, prepare=Contestant.prepare):
        seen.append(id(self.runner))
        prepare(self, problem)

    policy = ComparePolicy(processes=3, turns=1, budget_s=0.0, cache="warm")
    with session, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Contestant, "prepare", note)
        (result,) = session.compare(
            "toy/scale", "toy:good", candidate, cases=[CASE.key], policy=policy, options=Options(seed=1)
        )
    assert (result.processes, result.pairs) == (3, 3)
    assert len(seen) == 6
    assert result.low <= result.ratio <= result.high
    assert result.confidence == pytest.approx(0.95)
