"""Device clocks: arithmetic on their records, the self-test that each fault fails, and the pretend accelerator."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pretend import ScriptedClock

import kparity.testing.pretend as pretend_module
from kparity import Activity, DeviceClock, Unavailable, UsageError
from kparity.clock import LARGEST_RESOLUTION_S, ClockReport, _slope, busy_seconds, self_test, span_seconds, step_seconds
from kparity.loading import resolve
from kparity.testing import FaultyBackend, NoClock, PretendDevice, lasting

BACKENDS = [
    value
    for value in vars(pretend_module).values()
    if isinstance(value, type) and issubclass(value, FaultyBackend) and value is not FaultyBackend
]


def activity(start, end, stream=0):
    return Activity("k", "kernel", start, end, stream)


INTERVALS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda s: (s[0], s[0] + s[1])), max_size=12)


@given(INTERVALS)
def test_busy_time_is_the_length_of_the_union(intervals):
    covered = {instant for start, end in intervals for instant in range(start, end)}
    assert busy_seconds(activity(*one) for one in intervals) == pytest.approx(len(covered) * 1e-9, abs=1e-15)


@given(INTERVALS, st.randoms(use_true_random=False))
def test_busy_time_depends_on_neither_order_nor_stream_and_never_exceeds_the_span(intervals, random):
    ordered = [activity(*one) for one in intervals]
    mixed = [activity(*one, stream=random.randrange(3)) for one in random.sample(intervals, len(intervals))]
    assert busy_seconds(mixed) == busy_seconds(ordered)
    assert busy_seconds(ordered) <= span_seconds(ordered) + 1e-15
    assert busy_seconds(ordered) <= sum(one.end_ns - one.start_ns for one in ordered) * 1e-9 + 1e-15


@pytest.mark.parametrize(
    ("intervals", "busy", "span"),
    [
        ([], 0, 0),
        ([(5, 9)], 4, 4),
        ([(0, 10), (2, 3)], 10, 10),
        ([(0, 4), (4, 6)], 6, 6),
        ([(0, 4), (3, 6)], 6, 6),
        ([(10, 14), (0, 2)], 6, 14),
        ([(7, 7)], 0, 0),
    ],
)
def test_overlaps_count_once_and_gaps_only_in_the_span(intervals, busy, span):
    activities = [activity(*one) for one in intervals]
    assert busy_seconds(activities) == pytest.approx(busy * 1e-9)
    assert span_seconds(activities) == pytest.approx(span * 1e-9)


@given(st.integers(1, 5000), st.lists(st.integers(0, 10**6), min_size=2, max_size=30), st.integers(0, 10**18))
def test_the_step_of_a_clock_divides_every_difference(step, ticks, origin):
    common = math.gcd(*(later - earlier for earlier, later in itertools.pairwise(ticks)))
    assert step_seconds([origin + step * tick for tick in ticks]) == pytest.approx(max(step * common, 1) * 1e-9)


def test_a_slope_needs_two_durations():
    assert _slope([1.0, 2.0, 3.0], [3.0, 5.0, 7.0]) == pytest.approx(2.0)
    with pytest.raises(UsageError, match="two different durations"):
        _slope([1.0, 1.0], [1.0, 1.0])


def opened(kind):
    backend = kind()
    backend.open()
    return backend


def test_a_sound_clock_is_trusted(host_clock):
    report = self_test(opened(FaultyBackend).clock())
    assert report == ClockReport("pretend", report.resolution_s, report.slope)
    assert report.trusted
    assert report.slope == pytest.approx(1, abs=1e-4)
    assert 0 < report.resolution_s <= LARGEST_RESOLUTION_S


@pytest.mark.parametrize(
    ("kind", "faults"),
    [
        (
            "TwoPercentClock",
            [
                "runs at 1.0200 of the host clock's rate; allowed is 1 +- 0.01",
                "gave a device time longer than the call, end to end",
            ],
        ),
        (
            "DoubleClock",
            [
                "runs at 2.0000 of the host clock's rate; allowed is 1 +- 0.01",
                "gave a device time longer than the call, end to end",
            ],
        ),
        ("BackwardsClock", ["time runs backwards from one call to the next"]),
        ("CoarseClock", ["steps of 500 ns are coarser than 200 ns"]),
    ],
)
def test_each_broken_clock_fails_for_its_own_reason(host_clock, kind, faults):
    report = self_test(opened(getattr(pretend_module, kind)).clock())
    assert not report.trusted
    # steps of 0.5 us also push some device times past the call that caused them
    assert [fault for fault in report.faults if fault in faults] == faults
    assert len(report.faults) == len(faults) or kind == "CoarseClock"


def test_repetitions_that_the_host_held_up_do_not_bend_the_slope(host_clock):
    device, turns = PretendDevice(), itertools.count()

    def occupied(units):
        device.submit("occupy", units * 1e-4)
        device.wait(0)
        if next(turns) not in (12, 15, 18, 25):  # of the second, longer test one repetition of each duration
            host_clock.sleep(units * 1e-4)

    def collected():
        seen = [[one] for one in device.activities[1:]]
        device.activities.clear()
        return seen

    report = self_test(ScriptedClock(collected, occupied))
    assert report.trusted, report.faults
    assert report.slope == pytest.approx(1, abs=1e-4)


def test_a_clock_that_is_slow_or_only_drops_something_is_refused(host_clock):
    device = PretendDevice()
    durations = []

    def occupied(units):
        durations.append(units)
        device.submit("occupy", units * 1e-4)
        device.wait(0)

    def times(scale):
        return [[activity(one.start_ns, one.start_ns + int((one.end_ns - one.start_ns) * scale))] for one in seen()]

    def seen():
        found = device.activities[1:]
        device.activities.clear()
        return found

    slow = self_test(ScriptedClock(lambda: times(0.98), occupied))
    assert slow.faults == (f"runs at {slow.slope:.4f} of the host clock's rate; allowed is 1 +- 0.01",)
    deaf = self_test(ScriptedClock(lambda: [[], *times(1)[1:]], occupied))
    assert deaf.faults == ("saw 19 of 20 pieces of work",)
    short = self_test(ScriptedClock(lambda: times(1)[:7], occupied))
    assert short.faults == ("saw 7 of 20 pieces of work",)
    turned = self_test(ScriptedClock(lambda: [[activity(one.end_ns, one.start_ns)] for one in seen()], occupied))
    assert "an activity ends before it starts" in turned.faults


def test_the_self_test_asks_for_several_durations_in_turn(host_clock):
    units = []
    device = PretendDevice()

    def occupied(count):
        units.append(count)
        device.submit("occupy", count * 1e-4)
        device.wait(0)

    assert self_test(ScriptedClock(lambda: [[one] for one in device.activities[1:]], occupied)).trusted
    assert len(set(units)) >= 4
    assert max(units) / min(units) >= 8
    assert units[1:5] == units[5:9]


def test_closing_a_clock_that_keeps_nothing_open_does_nothing():
    assert ScriptedClock(list).close() is None


@pytest.mark.parametrize("kind", [FaultyBackend, *BACKENDS], ids=lambda kind: kind.__name__)
def test_a_worker_can_import_every_pretend_backend(kind):
    assert resolve(f"{kind.__module__}:{kind.__qualname__}") is kind
    assert (kind.__doc__ or "").strip()
    assert kind.__name__ in pretend_module.__all__


def test_pretend_backends_have_names_and_faults_of_their_own():
    everyone = [FaultyBackend, *BACKENDS]
    assert len({kind.name for kind in everyone}) == len({kind.fault for kind in everyone}) == len(everyone)
    with pytest.raises(Unavailable, match="no pretend accelerator 1"):
        FaultyBackend().open(1)
    with pytest.raises(TypeError, match=r"expected a numpy\.ndarray, got list"):
        opened(FaultyBackend).get([1])
    assert opened(NoClock).clock() is None
    assert isinstance(opened(FaultyBackend).clock(), DeviceClock)
    assert opened(FaultyBackend).probes() is None


def test_the_pretend_queues_run_side_by_side_and_each_in_order(host_clock):
    device = PretendDevice()
    device.submit("a", 1e-3)
    device.submit("b", 1e-3)
    device.submit("c", 5e-3, 1)
    a, b, c = device.activities
    assert b.start_ns == a.end_ns
    assert c.start_ns < a.end_ns
    before = host_clock.now_ns
    assert before < a.end_ns, "submitting does not wait"
    device.wait(0)
    assert b.end_ns <= host_clock.now_ns < c.end_ns
    device.wait(0, 1)
    assert host_clock.now_ns >= c.end_ns


def test_lasting_marks_the_kernel_and_leaves_it_as_it_is():
    def kernel(x):
        return x

    assert lasting(1e-3, side_s=2.0)(kernel) is kernel
    assert kernel.pretend_s == (1e-3, 2.0)


def test_the_library_does_not_import_the_pretend_accelerator(python):
    done = python("-c", "import sys, kparity, kparity.cli, kparity.session; print('kparity.testing' in sys.modules)")
    assert done.stdout.split() == ["False"], done.stderr
