"""The clocks of an NVIDIA GPU on a pretend driver: CUDA events, and which clock is chosen."""

from __future__ import annotations

import importlib.util

import msgspec
import numpy as np
import pytest

import kparity_nvidia.device
import kparity_nvidia.events
from kparity import DeviceInfo, TimingPolicy
from kparity.clock import self_test
from kparity.testing import PretendDevice
from kparity.timing import Bench
from kparity_nvidia import NvidiaDevice, OnNvidia
from kparity_nvidia.events import EventsClock, OutlastedError

MAIN, SIDE = 0, 1


class Driver:
    """Stands in for `Context`: queue 0 is the default stream, queue 1 a non-blocking one.

    Args:
        tick_ns: step of the events' stamps.
        scale: rate of the events over the true one.
    """

    uuid = "GPU-pretend"
    l2_bytes = 1 << 20

    def __init__(self, host_clock, tick_ns=32, scale=1.0):
        self.host_clock, self.tick_ns, self.scale = host_clock, tick_ns, scale
        self.device = PretendDevice()
        self.events = self.fills = 0

    def synchronize(self):
        self.device.wait(MAIN, SIDE)

    def allocate(self, size):
        return 1

    def fill(self, pointer, size):
        self.fills += 1
        self.device.submit("fill", 1e-4 + self.fills * 37 % 101 * 1e-9)

    def reset_persisting_l2(self):
        pass

    def event(self):
        self.events += 1
        return []

    def record(self, event):
        self.device.submit("event", 0.0)
        event[:] = [self.device.activities[-1].end_ns]

    def wait_for(self, event):
        self.host_clock.now_ns = max(self.host_clock.now_ns, event[0])

    def between_ms(self, start, end):
        ticks = [int(stamp[0] * self.scale) // self.tick_ns for stamp in (start, end)]
        return float(np.float32((ticks[1] - ticks[0]) * self.tick_ns * 1e-6))


@pytest.fixture
def driver(host_clock, monkeypatch):
    """Makes drivers on the simulated host clock."""
    monkeypatch.setattr(kparity_nvidia.events, "time", host_clock)
    return lambda **arguments: Driver(host_clock, **arguments)


def timed(clock, context, main_s=1e-4, side_s=lambda number: 0.0, count=8):
    """Device seconds of calls that put work on the two queues."""
    for number in range(count):
        clock.begin()
        context.device.submit("k", main_s)
        if side_s(number):
            context.device.submit("side", side_s(number), SIDE)
        clock.returned()
        context.synchronize()
        clock.end()
    return [(one.end_ns - one.start_ns) * 1e-9 for (one,) in clock.collect()]


def test_events_bound_the_work_of_a_call_from_above(driver):
    context = driver()
    seconds = timed(EventsClock(context), context)
    assert all(1e-4 - 3.2e-8 <= one <= 1.02e-4 for one in seconds)


@pytest.mark.parametrize("tick_ns", [32, 500, 1000])
def test_sound_events_pass_the_self_test_also_in_steps_of_half_a_microsecond(driver, tick_ns):
    report = self_test(EventsClock(driver(tick_ns=tick_ns)))
    assert report.trusted, report.faults
    assert report.clock == "cuda_events"
    assert report.resolution_s == pytest.approx(tick_ns * 1e-9)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [({"scale": 1.02}, "runs at 1.02"), ({"scale": 0.5}, "runs at 0.5"), ({"tick_ns": 2000}, "steps of 2000 ns")],
)
def test_events_that_are_wrong_fail_it(driver, wrong, fault):
    assert any(one.startswith(fault) for one in self_test(EventsClock(driver(**wrong))).faults)


def test_work_that_the_default_stream_does_not_wait_for_is_never_reported_too_short(driver):
    context = driver()
    clock = EventsClock(context)
    with pytest.raises(OutlastedError, match=r"in 8 of 8 calls work went on for up to [\d,]+ us"):
        timed(clock, context, side_s=lambda number: 2e-3)
    assert timed(clock, context) == pytest.approx([1e-4] * 8, rel=0.02)


def test_side_work_that_ends_before_the_default_stream_does_is_covered(driver):
    context = driver()
    assert timed(EventsClock(context), context, side_s=lambda _: 5e-5) == pytest.approx([1e-4] * 8, rel=0.02)


def test_one_call_that_looks_outlasted_among_many_is_put_down_to_the_host(driver):
    context = driver()
    assert len(timed(EventsClock(context), context, side_s=lambda number: 2e-3 * (number == 3))) == 8


class Sleeper(Driver):
    """Its host sleeps while it waits for more than half a millisecond, and takes 26 us to find the device idle then."""

    slept = False

    def wait_for(self, event):
        self.slept = event[0] - self.host_clock.now_ns > 500_000
        super().wait_for(event)

    def synchronize(self):
        super().synchronize()
        if self.slept:
            self.host_clock.now_ns += 26_000
            self.slept = False


def test_a_host_that_slept_over_a_long_call_is_not_taken_for_work_aside(host_clock, driver):
    driver()
    context = Sleeper(host_clock)
    clock = EventsClock(context)
    report = self_test(clock)
    assert report.trusted, report.faults
    assert timed(clock, context, main_s=2e-3) == pytest.approx([2e-3] * 8, rel=0.02)
    with pytest.raises(OutlastedError):
        timed(clock, context, main_s=2e-3, side_s=lambda number: 2.2e-3)


def test_events_are_used_again(driver):
    context = driver()
    clock = EventsClock(context)
    for _ in range(3):
        timed(clock, context, count=4)
    assert context.events == 8


class Backend(OnNvidia):
    """A backend whose framework does nothing."""

    name = "pretend_nvidia"

    def open(self, index=0):
        self.info = self.attach(DeviceInfo(backend=self.name, name="Pretend", kind="gpu"))
        return self.info

    def put(self, array):
        return array.copy()

    def get(self, array):
        return array.copy()


class Aside(Backend):
    on_default_stream = False


@pytest.fixture
def opened(driver, monkeypatch):
    """Opens a backend on a pretend driver, with or without CUPTI."""

    def call(kind=Backend, forced=None, cupti=False):
        context = driver()
        monkeypatch.setattr(kparity_nvidia.device, "Context", lambda index: context)
        found = importlib.util.find_spec("kparity") if cupti else None
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
        if forced is not None:
            monkeypatch.setenv("KPARITY_NVIDIA_CLOCK", forced)
        backend = kind()
        backend.open()
        return backend, context

    return call


def test_a_bench_reads_events_through_the_mixin(opened):
    backend, context = opened()
    bench = Bench(backend.synchronize, lambda: False, backend.clock(), lambda: None)

    def call():
        context.device.submit("k", 2e-4)
        return ()

    found = bench.time([call], TimingPolicy(minimum=6, maximum=6))
    assert found.withheld == ""
    device, end_to_end, _ = found.measurements
    assert device.clock == "cuda_events"
    assert device.median_s == pytest.approx(2e-4, rel=0.02)
    assert device.median_s <= end_to_end.median_s
    assert found.launches == (), "a call as a whole does not say what ran"


def test_a_bench_withholds_what_went_on_aside_and_says_why(opened):
    backend, context = opened()
    bench = Bench(backend.synchronize, lambda: False, backend.clock(), lambda: None)

    def call():
        context.device.submit("k", 1e-4)
        context.device.submit("aside", 1e-3, SIDE)
        return ()

    found = bench.time([call], TimingPolicy(minimum=6, maximum=6))
    assert [one.measurand for one in found.measurements] == ["end_to_end", "dispatch"]
    assert "the default stream does not wait for" in found.withheld


def test_without_cupti_there_are_events_and_a_note(opened):
    backend, _ = opened()
    assert isinstance(backend.clock(), EventsClock)
    assert backend.clock() is backend.clock()
    assert "device clock (CUDA events)" in backend.info.capabilities
    assert any("upper bounds" in note for note in backend.info.notes)


@pytest.mark.parametrize(("kind", "forced"), [(Aside, None), (Aside, "events"), (Backend, "none")])
def test_where_events_bound_nothing_or_none_is_wanted_there_is_no_clock(opened, kind, forced):
    backend, _ = opened(kind, forced)
    assert backend.clock() is None
    assert any("no device clock" in note for note in backend.info.notes)


def test_cupti_comes_first_and_events_where_it_does_not_start(opened, monkeypatch):
    import kparity_nvidia.clock

    class Occupied:
        def __init__(self, context):
            raise RuntimeError("somebody else subscribed")

    monkeypatch.setattr(kparity_nvidia.clock, "CuptiClock", lambda context: "cupti clock")
    assert opened(cupti=True)[0].clock() == "cupti clock"
    assert isinstance(opened(cupti=True, forced="events")[0].clock(), EventsClock)
    monkeypatch.setattr(kparity_nvidia.clock, "CuptiClock", Occupied)
    assert isinstance(opened(cupti=True, forced="")[0].clock(), EventsClock)
    with pytest.raises(RuntimeError, match="somebody else subscribed"):
        opened(cupti=True, forced="cupti")[0].clock()


def test_a_clock_that_is_not_known_is_refused_by_name(opened):
    backend, _ = opened(forced="nsight")
    assert any("KPARITY_NVIDIA_CLOCK is 'nsight'; expected cupti, events or none" in n for n in backend.info.notes)
    assert msgspec.json.encode(backend.info)


def test_a_device_can_be_made_without_a_clock(driver, monkeypatch):
    monkeypatch.setattr(kparity_nvidia.device, "Context", lambda index: driver())
    assert NvidiaDevice(0, events=False).flush_cache()
