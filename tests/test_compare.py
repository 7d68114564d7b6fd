"""Comparisons: simulated error rates, what is refused, and `kparity compare` and `kparity bench`.

No test asserts how long something really took: simulated runners make up their times from a seed.
"""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from pretend import plugin
from toy import Plugin, ToyBackend, implementation, scale, toy_plugin

from kparity import (
    Measurement,
    NothingEvaluatedError,
    Options,
    Selection,
    Session,
    TimingPolicy,
    UnknownNameError,
    UsageError,
    Verdict,
)
from kparity.compare import Compared, ComparePolicy, Contestant, compare_on, compare_records
from kparity.evaluation import Subject
from kparity.records import Ceilings, CheckResult, Evaluation, ImplementationInfo
from kparity.roofline import remember_ceilings
from kparity.sandbox.engine import Block, ImplementationFailure
from kparity.sandbox.host import InlineRunner
from kparity.testing import BackwardsClock, FaultyBackend, NoClock

CASE = next(case for case in scale.cases() if case.key == "n=64,T=float32")
INLINE = Options(seed=1, isolation="inline")
ENDLESS = ComparePolicy(budget_s=1e9)


class Machine:
    """Two sides that share a machine which gets slower, or faster, linearly from sample to sample.

    Args:
        slowdown: the first side's time over the second's, less one.
        noise: standard deviation of the logarithm of a sample.
        drift: relative change from one sample to the next.
    """

    def __init__(self, seed, slowdown=0.0, noise=0.005, drift=0.0):
        rng = np.random.default_rng(seed)
        self._noise = iter(np.exp(noise * rng.standard_normal(8192)))
        self._drift = drift
        self.taken = 0
        self.order = []
        self.sides = [Side(self, "first", 1e-3 * (1 + slowdown)), Side(self, "second", 1e-3)]

    def sample(self, seconds):
        self.taken += 1
        return seconds * (1 + self._drift * self.taken) * float(next(self._noise))

    def contestants(self):
        return [
            Contestant(Subject(ImplementationInfo("simulated", side.name), "toy/scale"), side) for side in self.sides
        ]

    def compare(self, policy=ENDLESS, **arguments):
        return compare_on(CASE, *self.contestants(), policy, **arguments)


class Side:
    """A runner of which only `sample` is asked."""

    def __init__(self, machine, name, seconds, device=True):
        self.machine, self.name, self.seconds, self.device = machine, name, seconds, device
        self.cold = set()

    def use(self, place):
        pass

    def sample(self, count, cold):
        self.machine.order.append(self.name)
        self.cold.add(cold)
        samples = [self.machine.sample(self.seconds) for _ in range(count)]
        return Block(samples if self.device else [], [2 * one for one in samples])


def test_a_difference_that_is_not_there_is_rarely_called():
    drifts = np.random.default_rng(1).uniform(-2e-4, 2e-4, 1000)
    outcomes = [Machine(seed, drift=float(drift)).compare().outcome for seed, drift in enumerate(drifts)]
    assert sum(outcome in ("faster", "slower") for outcome in outcomes) <= 70
    assert outcomes.count("equivalent") >= 900


def test_a_difference_smaller_than_the_clocks_step_is_not_called():
    machine = Machine(1, slowdown=0.02)
    assert machine.compare().outcome == "slower"
    first, second = Machine(1, slowdown=0.02).contestants()
    coarse = replace(first, clock_s=1e-4)  # a tenth of what is timed
    blurred = compare_on(CASE, coarse, second, ComparePolicy(budget_s=1e9, maximum=32))
    assert blurred.outcome == "inconclusive"
    assert blurred.low < 1 < blurred.high


def test_many_cases_together_call_as_few_differences():
    calls = 0
    for run in range(60):
        cases = [Machine([run, case]).compare(cases=12) for case in range(12)]
        assert [one.confidence for one in cases] == pytest.approx([1 - 0.05 / 12] * 12)
        calls += any(one.outcome in ("faster", "slower") for one in cases)
    assert calls <= 6


@pytest.mark.parametrize("slowdown", [0.01, 0.02, -0.01, -0.02])
@pytest.mark.parametrize("drift", [0.0, 1e-4])
def test_one_and_two_per_cent_are_detected(slowdown, drift):
    wanted = "slower" if slowdown > 0 else "faster"
    results = [Machine([seed, 5], slowdown=slowdown, drift=drift).compare() for seed in range(200)]
    assert sum(one.outcome == wanted for one in results) >= 190
    assert np.median([one.ratio for one in results]) == pytest.approx(1 + slowdown, abs=5e-4)
    assert sum(one.low <= 1 + slowdown <= one.high for one in results) >= 186


def test_the_sides_take_turns_a_b_b_a():
    machine = Machine(1)
    result = machine.compare(ComparePolicy(minimum=8, maximum=8, budget_s=1e9))
    assert result.pairs == 8
    assert machine.order == ["first", "second", *["first", "second", "second", "first"] * 8]
    assert {cold for side in machine.sides for cold in side.cold} == {True}
    warm = Machine(1)
    warm.compare(ComparePolicy(cache="warm"))
    assert {cold for side in warm.sides for cold in side.cold} == {False}


def test_sampling_ends_at_the_maximum_and_at_the_budget():
    assert Machine(1, noise=0.1).compare(ComparePolicy(maximum=32, budget_s=1e9)).pairs == 32
    spent = Machine(1, noise=0.1).compare(ComparePolicy(budget_s=0.0))
    assert (spent.pairs, spent.outcome) == (8, "inconclusive")


def test_a_comparison_of_many_cases_takes_the_pairs_that_its_confidence_needs():
    assert Machine(3).compare(ComparePolicy(minimum=2, budget_s=0.0)).pairs == 7
    assert Machine(3).compare(ComparePolicy(budget_s=0.0), cases=1000).pairs == 17


def test_the_machine_is_held_while_samples_are_taken():
    machine, held = Machine(1), []

    @contextlib.contextmanager
    def exclusive():
        held.append(len(machine.order))
        yield
        held.append(len(machine.order))

    machine.compare(exclusive=exclusive)
    assert held == [0, len(machine.order)]


@pytest.mark.parametrize(("devices", "measurand"), [((True, True), "device"), ((False, False), "end_to_end")])
def test_both_sides_are_read_on_the_same_clock(devices, measurand):
    machine = Machine(1)
    for side, device in zip(machine.sides, devices, strict=True):
        side.device = device
    assert machine.compare().measurand == measurand


@pytest.mark.parametrize("devices", [(True, False), (False, True)])
def test_unlike_measurands_are_never_paired(devices):
    machine = Machine(1)
    for side, device in zip(machine.sides, devices, strict=True):
        side.device = device
    with pytest.raises(UsageError, match="only one of the two has a trusted device clock; unlike measurands"):
        machine.compare()


def test_a_clock_that_is_lost_on_the_way_ends_the_comparison():
    machine = Machine(1)
    sound = machine.sample

    def lose(seconds):
        machine.sides[1].device = machine.taken < 40
        return sound(seconds)

    machine.sample = lose
    with pytest.raises(UsageError, match="the device clock failed during the comparison"):
        machine.compare()


# Records.


def measurement(measurand="device", cache="cold", seconds=1e-3, width=1e-5):
    return Measurement(
        measurand=measurand,
        clock="c",
        resolution_s=1e-9,
        samples_s=(seconds,) * 10,
        warmup=0,
        cache=cache,
        interval_s=(seconds - width, seconds + width),
    )


def evaluation(*measurements, backend="a", case=CASE, status="passed"):
    check = CheckResult("bound", "passed") if status == "passed" else CheckResult("bound", "failed", "no")
    return Evaluation(
        task=case.task,
        case=case,
        implementation=ImplementationInfo(backend, backend),
        device=None,
        verdict=Verdict.of_checks([check]),
        measurements=measurements,
    )


def test_records_of_two_devices_are_compared_by_their_intervals():
    result = compare_records(evaluation(measurement(seconds=2e-3)), evaluation(measurement(), backend="b"))
    assert (result.first, result.second, result.outcome, result.pairs) == ("a", "b", "slower", 0)
    assert (result.ratio, result.measurand) == (pytest.approx(2.0), "device")
    assert (result.low, result.high) == pytest.approx((1.99 / 1.01, 2.01 / 0.99))
    assert result.confidence == pytest.approx(0.9)
    assert msgspec.json.decode(msgspec.json.encode(result), type=Compared) == result
    near = compare_records(evaluation(measurement(seconds=1.001e-3)), evaluation(measurement()))
    assert near.outcome == "inconclusive"


@pytest.mark.parametrize(
    "other", [measurement("end_to_end"), measurement(cache="warm"), measurement("end_to_end", "warm")]
)
def test_unlike_measurands_and_cache_states_are_refused(other):
    for pair in ((measurement(), other), (other, measurement())):
        with pytest.raises(UsageError, match="are never compared"):
            compare_records(*(evaluation(one) for one in pair))


def test_dispatch_alone_is_no_time_to_compare():
    for pair in ((measurement("dispatch"), measurement()), (measurement(), measurement("dispatch"))):
        with pytest.raises(UsageError, match="both evaluations need times"):
            compare_records(*(evaluation(one) for one in pair))
    with pytest.raises(UsageError, match="both evaluations need times"):
        compare_records(evaluation(measurement()), evaluation(status="failed"))


def test_different_problems_are_refused():
    other = next(case for case in scale.cases() if case.key == "n=128,T=float32")
    with pytest.raises(UsageError, match="n=64,T=float32 and toy/scale n=128,T=float32 are different problems"):
        compare_records(evaluation(measurement()), evaluation(measurement(), case=other))


def test_a_refused_clock_is_not_compared_with_a_sound_one(host_clock, caches):
    records = []
    for backend in (FaultyBackend(), BackwardsClock()):
        session = Session(extra=[plugin(backend)], discover=False)
        options = Options(seed=1, isolation="inline", timing=TimingPolicy(minimum=6, maximum=6))
        (record,) = session.run(
            ["toy/scale"], implementations=[f"{backend.name}:steady"], cases=[CASE.key], options=options
        )
        records.append(record)
    with pytest.raises(UsageError, match=r"device \(cold cache\) and end_to_end \(cold cache\) are never compared"):
        compare_records(*records)


# From the session's end, inline on the simulated host clock.


def compared(session, first, second, **arguments):
    arguments.setdefault("cases", [CASE.key])
    return list(session.compare("toy/scale", first, second, options=INLINE, **arguments))


@pytest.mark.parametrize(("kind", "measurand"), [(FaultyBackend, "device"), (NoClock, "end_to_end")])
def test_two_kernels_of_one_device_are_told_apart(host_clock, caches, kind, measurand):
    session = Session(extra=[plugin(kind())], discover=False)
    (slow,) = compared(session, f"{kind.name}:slower", f"{kind.name}:steady")
    assert (slow.outcome, slow.measurand, slow.case) == ("slower", measurand, CASE.key)
    assert slow.ratio == pytest.approx(1.02, abs=1e-3)
    (same,) = compared(session, f"{kind.name}:steady", f"{kind.name}:steady")
    assert same.outcome == "equivalent"


def test_a_comparison_covers_the_timed_cases_that_the_device_runs(host_clock, caches):
    session = Session(extra=[plugin(FaultyBackend())], discover=False)
    everything = compared(session, "pretend:slower", "pretend:steady", cases=())
    assert [one.case for one in everything] == [f"n={n},T={T}" for n in (64, 128) for T in ("float32", "float16")]
    assert [one.confidence for one in everything] == pytest.approx([1 - 0.05 / 4] * 4)


@pytest.mark.parametrize(
    ("first", "second", "error", "message"),
    [
        ("pretend:steedy", "pretend:steady", UnknownNameError, "Did you mean 'pretend:steady'"),
        ("pretend:steady", "toy:god", UnknownNameError, "Did you mean 'toy:good'"),
        ("pretend:steady", "toy:good", UsageError, "a paired comparison needs one device"),
        ("toy:good", "toy:off_by_a_lot", UsageError, "toy:off_by_a_lot does not pass n=64,T=float32 and is not timed"),
        ("toy:missing_one", "toy:good", ImplementationFailure, "has no attribute 'gone'"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(host_clock, caches, first, second, error, message):
    broken = Plugin("broken", implementations=[implementation("gone", name="missing_one")])
    session = Session(extra=[plugin(FaultyBackend()), toys("good", "off_by_a_lot"), broken], discover=False)
    with pytest.raises(error, match=message):
        compared(session, first, second)


def toys(*names):
    return toy_plugin(*names, tasks=[], backends=[ToyBackend()])


def test_a_selection_without_timed_cases_compares_nothing(host_clock, caches):
    session = Session(extra=[plugin(FaultyBackend())], discover=False)
    with pytest.raises(NothingEvaluatedError, match="nothing to compare: no timed case matches"):
        compared(session, "pretend:slower", "pretend:steady", cases=["n=7,*"])


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("toy:good", "toy:good", True),
        ("toy:good", Subject.candidate("toy/scale", "toy", "def scale(x, factor=2.0): return x * 2", "scale"), False),
        ("pretend:slower", "pretend:steady", False),
    ],
    ids=["processor", "candidate", "gpu"],
)
def test_only_registered_implementations_on_a_processor_share_a_worker(
    host_clock, caches, monkeypatch, first, second, shared
):
    seen = []

    def noted(case, one, other, policy, **arguments):
        seen.append((one.runner is other.runner, one.place != other.place))
        return compare_on(case, one, other, policy, **arguments)

    monkeypatch.setattr("kparity.pairing.compare_on", noted)
    session = Session(extra=[plugin(FaultyBackend()), toys("good")], discover=False)
    compared(session, first, second, policy=ComparePolicy(maximum=8, cache="warm"))
    assert seen == [(shared, shared)]


def test_two_places_of_a_runner_keep_what_they_hold_and_share_equal_arguments(caches):
    class Counting(ToyBackend):
        puts = 0

        def put(self, array):
            self.puts += 1
            return super().put(array)

    backend = Counting()
    runner = InlineRunner(backend)
    runner.open(0)
    inputs = (np.arange(64, dtype=np.float32),)
    for place, kernel in enumerate(("good", "off_by_a_lot")):
        runner.use(place)
        runner.load(target=f"toy_kernels:{kernel}")
        assert np.array_equal(runner.execute(CASE, inputs).outputs[0], 2 * inputs[0]) is (kernel == "good")
    assert backend.puts == 1
    runner.use(2)
    runner.load(target="toy_kernels:good")
    assert runner.execute(CASE, (inputs[0] + 1,)).outputs[0][0] == 2
    assert backend.puts == 2
    runner.use(0)
    assert len(runner.sample(3, False).end_to_end) == 3


# The command line, on the processor: what is printed and how it exits, never how long it took.

TASK = "resize/bilinear"
FIRST, SECOND = "cpu_ref:numba", "cpu_ref:numpy"


@pytest.fixture
def processor(caches):
    """The processor's ceilings as if measured earlier: measuring them takes seconds."""
    from kparity_cpu_ref import CpuRefBackend

    remember_ceilings(CpuRefBackend().open(), Ceilings(1e10, {"float32": 1e11}, {"end_to_end": 1e-6}))


@pytest.fixture(scope="module")
def typical():
    """The key of one typical float32 case."""
    cases = Session().catalogue.task(TASK).cases(roles=["typical"], dtypes=["float32"])
    return min(cases, key=lambda case: case.bytes).key


def test_compare_prints_the_ratio_and_exits_with_zero(cli, processor, typical):
    shown = cli("compare", TASK, FIRST, SECOND, "--case", typical, "--budget", "0.05", "--seed", "1", "--warm")
    assert shown.status == 0, shown.err
    assert f"{FIRST} against {SECOND}: ratio of times, below 1 means that {FIRST} is faster" in shown.out
    assert any(outcome in shown.out for outcome in ("faster", "slower", "equivalent", "inconclusive"))
    assert "end_to_end" in shown.out


def test_compare_as_json_can_be_read_back(cli, processor, typical):
    done = cli("compare", TASK, SECOND, SECOND, "-c", typical, "--budget", "0.05", "--json", "--warm")
    assert done.status == 0, done.err
    (result,) = msgspec.json.decode(done.out, type=list[Compared])
    assert (result.task, result.case, result.first, result.second) == (TASK, typical, SECOND, SECOND)
    assert result.low <= result.ratio <= result.high
    assert result.pairs >= 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (TASK, "cpu_ref:nunba", SECOND),
            "unknown implementation of resize/bilinear 'cpu_ref:nunba'. Did you mean 'cpu_ref:numba'",
        ),
        ((TASK, FIRST, "cpu_ref:nunpy"), "'cpu_ref:numpy'"),
        (("resize/bilinaer", FIRST, SECOND), "Did you mean 'resize/bilinear'"),
        ((TASK, FIRST, SECOND, "--case", "nowhere=*"), "nothing to compare"),
    ],
)
def test_compare_refuses_with_two(cli, processor, arguments, message):
    done = cli("compare", *arguments)
    assert done.status == 2
    assert message in done.err
    assert done.out == ""


@pytest.mark.slow
def test_bench_shows_times_intervals_and_the_distance_from_the_limit(cli, processor, typical, tmp_path):
    done = cli("bench", TASK, "-b", "cpu_ref", "-c", typical, "--budget", "0.05", "--warm", "--out", tmp_path / "run")
    assert done.status == 0, done.err
    for expected in (FIRST, SECOND, "95 % interval", "of limit", "1st call", "dispatch", "measured ceilings 10 GB/s"):
        assert expected in done.out, expected
    assert (tmp_path / "run" / "run.json").exists()


@pytest.mark.slow
def test_bench_as_json_holds_the_records(cli, processor, typical):
    done = cli("bench", TASK, "-b", "cpu_ref", "-c", typical, "--budget", "0.05", "--warm", "--json", "--seed", "4")
    assert done.status == 0, done.err
    data = json.loads(done.out)
    records = msgspec.convert(data["evaluations"], list[Evaluation])
    assert {one.implementation.label for one in records} == {FIRST, SECOND}
    for one in records:
        assert [measured.measurand for measured in one.measurements] == ["end_to_end", "dispatch"]
        assert {measured.cache for measured in one.measurements} == {"warm"}
        assert len(one.time("end_to_end").samples_s) >= 20
        assert one.roofline is not None
        assert one.seed == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resize/bilinaer",), "Did you mean 'resize/bilinear'"),
        ((TASK, "-b", "cpu_reff"), "Did you mean 'cpu_ref'"),
        ((TASK, "-b", "cpu_ref", "-c", "nowhere=*"), "nothing to evaluate"),
    ],
)
def test_bench_refuses_with_two(cli, processor, arguments, message):
    done = cli("bench", *arguments)
    assert done.status == 2
    assert message in done.err


def test_bench_exits_with_one_where_an_implementation_fails(cli, caches, install, pids):
    install("toy-accelerator", toy="toy_plugin")
    done = cli("bench", "toy/scale", "-b", "toy", "-c", "n=7,T=float32", "--budget", "0.01")
    assert done.status == 1
    assert "failed: toy:fails_on_seven toy/scale n=7,T=float32" in done.err


def test_bench_names_what_was_withheld_and_which_clock_was_refused(host_clock, caches):
    from rich.console import Console

    from kparity.benchview import bench_view
    from kparity.testing import LongDeviceTime

    session = Session(extra=[plugin(LongDeviceTime(), BackwardsClock())], discover=False)
    options = Options(seed=1, isolation="inline", timing=TimingPolicy(minimum=6, maximum=6))
    selection = Selection(tasks=("toy/scale",), implementations=("*:steady",), cases=(CASE.key,))
    prepared = session.prepare(selection, options)
    parts = bench_view(prepared.info, list(prepared))
    console = Console(width=250, record=True, file=io.StringIO())
    for part in parts:
        console.print(part)
    text = console.export_text()
    assert "no device time: device time 1 s is longer than the call end to end" in text
    assert "not used: time runs backwards from one call to the next" in text
