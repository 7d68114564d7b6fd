"""Times: how samples are taken, what is withheld and why, and every fault of a clock from the session's end.

The host clock is simulated wherever what is asked for depends on it; no test asserts how long something really took.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pretend import TICK_NS, ScriptedClock, plugin
from toy import Plugin, ToyBackend, implementation, scale

import kparity.sandbox.engine as engine_module
import kparity.testing.pretend as pretend_module
from kparity import (
    Activity,
    Cascade,
    DeviceInfo,
    Evaluator,
    Measurement,
    Options,
    Selection,
    Session,
    Telemetry,
    TimingPolicy,
    UsageError,
    read_run,
)
from kparity.backend import Support
from kparity.clock import ClockReport, self_test
from kparity.frequency import processor_telemetry
from kparity.records import Ceilings, Conditions, Evaluation
from kparity.roofline import remember_ceilings
from kparity.sandbox.engine import Engine
from kparity.stats import median_interval
from kparity.testing import (
    BlindToSideStream,
    DeadlyClock,
    DoubleClock,
    FaultyBackend,
    LongDeviceTime,
    NoClock,
    RaisingClock,
    RaisingClockLater,
    SidewaysSynchronize,
)
from kparity.timing import HOST_CLOCK, Bench, DeviceFault, Timed, host_resolution, widened

TICK = TICK_NS * 1e-9
CASE = ("n=64,T=float32",)
INLINE = Options(seed=1, isolation="inline", timing=TimingPolicy(minimum=6, maximum=12))


class Machine:
    """Calls of scripted durations on the simulated host clock, and a bench for them.

    Args:
        seconds: end-to-end durations, repeated.
        flushes: whether the cache can be evicted.
        clock: a device clock, if any.
    """

    def __init__(self, host_clock, seconds=(1e-3,), *, flushes=True, clock=None, telemetry=None, step_s=None):
        self.host_clock = host_clock
        self.seconds = seconds
        self.calls = []
        self.flushed = 0
        self.flushes = flushes
        self.events = []
        self.bench = Bench(self.wait, self.flush, clock, telemetry or (lambda: None), step_s)
        self._ends = 0

    def submit(self, which=0):
        self.events.append(f"call {which}")
        seconds = self.seconds[len(self.calls) % len(self.seconds)]
        self._ends = max(self._ends, self.host_clock.now_ns) + round(seconds * 1e9)
        self.calls.append(which)
        return (object(),)

    def wait(self, outputs):
        self.events.append("wait")
        self.host_clock.now_ns = max(self.host_clock.now_ns, self._ends)

    def flush(self):
        self.events.append("flush")
        self.flushed += 1
        return self.flushes

    def time(self, *, copies=1, **policy):
        policy = TimingPolicy(**{"warmup": 0, **policy})
        return self.bench.time([lambda which=which: self.submit(which) for which in range(copies)], policy)


def times(timed, measurand="end_to_end"):
    return next(one for one in timed.measurements if one.measurand == measurand)


def test_calm_samples_stop_at_the_minimum(host_clock):
    machine = Machine(host_clock)
    found = times(machine.time(minimum=10, maximum=100))
    assert len(found.samples_s) == 10
    assert found.median_s == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("minimum", [1, 3, 10])
def test_there_are_never_fewer_samples_than_the_minimum(host_clock, minimum):
    machine = Machine(host_clock, (1e-3, 5e-3))
    assert len(times(machine.time(minimum=minimum, budget_s=0.0, target=0.0)).samples_s) == minimum


def test_restless_samples_stop_when_the_budget_is_spent(host_clock):
    machine = Machine(host_clock, (1e-3, 3e-3))
    found = times(machine.time(minimum=4, maximum=1000, budget_s=0.1, target=0.0001))
    # 2 ms a sample on average: the sample under way when 0.1 s are over is the last
    assert 48 <= len(found.samples_s) <= 52
    assert sum(found.samples_s[:-1]) <= 0.1 + 3e-3


def test_there_are_never_more_samples_than_the_maximum(host_clock):
    machine = Machine(host_clock, (1e-3, 3e-3))
    assert len(times(machine.time(minimum=4, maximum=23, budget_s=60, target=0.0)).samples_s) == 23


def test_sampling_goes_on_until_the_interval_is_narrow(host_clock):
    machine = Machine(host_clock, (1e-3,) * 9 + (2e-3,) * 2 + (1e-3,) * 30)
    found = times(machine.time(minimum=11, maximum=1000, budget_s=60, target=0.01))
    assert len(found.samples_s) in (11, 22, 44)
    assert median_interval(found.samples_s).half_width <= 0.01


def test_raw_samples_stand_in_the_order_taken_and_none_is_discarded(host_clock):
    seconds = tuple(1e-3 * (1 + (7 * step % 11)) for step in range(12))
    machine = Machine(host_clock, seconds)
    found = times(machine.time(minimum=12, maximum=12, target=0.0))
    assert found.samples_s == pytest.approx(seconds, abs=3 * TICK)


def test_the_warm_up_is_not_sampled_and_copies_take_turns(host_clock):
    machine = Machine(host_clock, (1.0,) * 3 + (1e-3,) * 6)
    found = times(machine.time(copies=2, warmup=3, minimum=6, maximum=6, budget_s=60))
    assert max(found.samples_s) < 2e-3
    assert found.warmup == 3
    assert machine.calls == [0, 1, 0, 0, 1, 0, 1, 0, 1]


def recording(host_clock, seconds=5e-7):
    """A device clock that saw one activity in each call."""
    return ScriptedClock(lambda: [[Activity("k", "kernel", 0, round(seconds * 1e9))]] * 5000)


@pytest.mark.parametrize(
    ("cache", "flushes", "clock", "inner", "state"),
    [
        ("warm", True, False, True, "warm"),
        ("cold", False, False, True, "warm"),
        ("cold", True, False, False, "cold"),
        ("cold", True, True, False, "cold"),
        ("warm", True, True, False, "warm"),
        ("cold", False, True, False, "warm"),
    ],
)
def test_calls_share_a_sample_only_where_warm_and_without_a_device_clock(
    host_clock, cache, flushes, clock, inner, state
):
    machine = Machine(host_clock, (5e-7,), flushes=flushes, clock=recording(host_clock) if clock else None)
    timed = machine.time(cache=cache, minimum=6, maximum=6)
    found = times(timed)
    assert (found.calls_per_sample > 1) is inner
    assert {one.cache for one in timed.measurements} == {state}
    assert found.resolution_s == pytest.approx(TICK / found.calls_per_sample)
    assert found.median_s * found.calls_per_sample >= 100 * TICK or not inner
    if inner:
        assert len(machine.calls) > 6 * 2


def test_long_calls_are_sampled_one_by_one_even_where_warm(host_clock):
    assert times(Machine(host_clock).time(cache="warm", minimum=6)).calls_per_sample == 1


def test_the_cache_is_evicted_before_every_cold_sample_and_never_for_warm_ones(host_clock):
    cold = Machine(host_clock)
    cold.time(minimum=5, maximum=5)
    samples = cold.events[cold.events.index("call 0") - 1 :]
    assert samples == ["flush", "call 0", "wait"] * 5
    warm = Machine(host_clock)
    warm.time(cache="warm", minimum=5, maximum=5)
    assert "flush" not in warm.events


def test_a_block_of_a_comparison_evicts_once_for_each_sample(host_clock):
    machine = Machine(host_clock, clock=recording(host_clock, 1e-4))
    device, end_to_end = machine.bench.block(machine.submit, 4, True)
    assert device == pytest.approx([1e-4] * 4)
    assert end_to_end == pytest.approx([1e-3] * 4, abs=3 * TICK)
    assert machine.flushed == 4
    unable = Machine(host_clock, flushes=False)
    assert unable.bench.block(unable.submit, 3, True)[0] == []
    assert unable.flushed == 1


def test_a_block_has_no_device_times_once_the_clock_fails(host_clock):
    for collected in (list, lambda: [[]] * 4, lambda: [[Activity("k", "kernel", 0, 10**9)]] * 4, lambda: 1 / 0):
        machine = Machine(host_clock, clock=ScriptedClock(collected))
        device, end_to_end = machine.bench.block(machine.submit, 4, False)
        assert (device, len(end_to_end)) == ([], 4)


def test_the_three_measurands_are_recorded_side_by_side(host_clock):
    timed = Machine(host_clock, clock=recording(host_clock, 4e-4), step_s=3.2e-8).time(minimum=6, maximum=6)
    assert [one.measurand for one in timed.measurements] == ["device", "end_to_end", "dispatch"]
    device, end_to_end, dispatch = timed.measurements
    assert (device.clock, end_to_end.clock, dispatch.clock) == ("scripted", HOST_CLOCK, HOST_CLOCK)
    assert device.samples_s == pytest.approx([4e-4] * 6)
    assert device.resolution_s == 3.2e-8
    assert device.interval_s == pytest.approx((4e-4 - 3.2e-8, 4e-4 + 3.2e-8))
    assert all(own <= whole for own, whole in zip(dispatch.samples_s, end_to_end.samples_s, strict=True))
    assert timed.withheld == ""


@pytest.mark.parametrize(
    ("collected", "why"),
    [
        (lambda: [[Activity("k", "kernel", 0, 2_000_000)]] * 99, "device time 0.002 s is longer than the call end to"),
        (lambda: [[Activity("k", "kernel", 0, 9)], []] * 49, "the scripted clock saw no work on the device during a"),
        (lambda: [[Activity("k", "kernel", 9, 9)]] * 99, "the scripted clock saw no work on the device during a call"),
        (lambda: [[Activity("k", "kernel", 0, 9)]] * 5, "the scripted clock recorded 5 of 6 calls"),
        (lambda: {}["lost"], "the scripted clock raised KeyError: 'lost'"),
    ],
    ids=["long", "blind", "empty", "short", "raises"],
)
def test_device_times_are_withheld_with_the_reason(host_clock, collected, why):
    timed = Machine(host_clock, clock=ScriptedClock(collected)).time(minimum=6, maximum=12)
    assert [one.measurand for one in timed.measurements] == ["end_to_end", "dispatch"]
    assert timed.withheld.startswith(why)


def test_one_long_device_time_among_many_is_enough(host_clock):
    records = [[Activity("k", "kernel", 0, 500_000)]] * 5 + [[Activity("k", "kernel", 0, 1_100_000)]]
    timed = Machine(host_clock, clock=ScriptedClock(lambda: records)).time(minimum=6, maximum=6)
    assert timed.withheld.startswith("device time 0.0011 s is longer than")


def test_the_state_of_the_machine_stands_beside_the_times(host_clock):
    states = iter(
        [Telemetry({"power_w": 90.0}), Telemetry({"power_w": 300.0}, ("software power cap", "hardware slowdown"))]
    )
    timed = Machine(host_clock, telemetry=lambda: next(states)).time(minimum=6)
    assert (timed.conditions.before, timed.conditions.after) == ({"power_w": 90.0}, {"power_w": 300.0})
    assert timed.conditions.throttled == ("software power cap", "hardware slowdown")


def test_what_cannot_be_read_of_the_hardware_is_not_recorded_and_the_time_stands(host_clock):
    timed = Machine(host_clock, telemetry=lambda: {}["gone"]).time(minimum=6)
    assert (timed.conditions.before, timed.conditions.after) == ({}, {})
    assert times(timed).median_s == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("what", ["begin", "end"])
def test_a_clock_that_raises_around_a_call_loses_only_its_own_times(host_clock, what):
    clock = recording(host_clock)
    setattr(clock, what, lambda: {}["lost"])
    timed = Machine(host_clock, clock=clock).time(minimum=6, maximum=6)
    assert [one.measurand for one in timed.measurements] == ["end_to_end", "dispatch"]
    assert timed.withheld == "the scripted clock raised KeyError: 'lost'"


def test_a_cache_that_cannot_be_evicted_any_more_is_the_devices_fault(host_clock):
    machine = Machine(host_clock)
    machine.flush = machine.bench._flush = lambda: 1 / 0
    with pytest.raises(DeviceFault, match="evicting the cache raised ZeroDivisionError"):
        machine.time()


def test_one_call_that_was_held_up_does_not_decide_how_many_share_a_sample(host_clock):
    held_up = Machine(host_clock, (1e-3, *(5e-7,) * 5000))
    assert times(held_up.time(cache="warm", minimum=6, maximum=6)).calls_per_sample >= 100 * TICK / 5e-7


def test_drift_and_two_clusters_are_noted_in_the_measurement(host_clock):
    rising = Machine(host_clock, tuple(1e-3 * (1 + 0.01 * step) for step in range(30)))
    assert times(rising.time(minimum=30, maximum=30)).drift == pytest.approx(0.25, abs=0.06)
    split = Machine(host_clock, (1e-3, 1.5e-3))
    assert times(split.time(minimum=30, maximum=30)).bimodal
    calm = times(Machine(host_clock).time(minimum=30, maximum=30))
    assert (calm.drift, calm.bimodal) == (0.0, False)


def test_the_resolution_of_the_host_clock_is_its_smallest_step(host_clock):
    assert host_resolution() == pytest.approx(TICK)


def test_a_widened_interval_does_not_go_below_zero():
    assert widened(median_interval([1e-9]), 5e-9) == (0.0, pytest.approx(6e-9))


POSITIVE = st.floats(1e-9, 1e3)
MEASUREMENTS = st.builds(
    Measurement,
    measurand=st.sampled_from(["device", "end_to_end", "dispatch"]),
    clock=st.text(max_size=8),
    resolution_s=POSITIVE,
    samples_s=st.lists(POSITIVE, min_size=1, max_size=20).map(tuple),
    warmup=st.integers(0, 9),
    cache=st.sampled_from(["cold", "warm"]),
    calls_per_sample=st.integers(1, 1000),
    interval_s=st.tuples(POSITIVE, POSITIVE),
    drift=st.floats(-1, 1),
    bimodal=st.booleans(),
)
CONDITIONS = st.builds(
    Conditions,
    before=st.dictionaries(st.text(max_size=8), POSITIVE, max_size=3),
    after=st.dictionaries(st.text(max_size=8), POSITIVE, max_size=3),
    throttled=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    load=st.none() | st.tuples(POSITIVE, POSITIVE),
)


@given(MEASUREMENTS, CONDITIONS, st.text(max_size=8))
def test_times_and_conditions_survive_json(measurement, conditions, withheld):
    timed = Timed((measurement,), conditions, withheld)
    assert msgspec.json.decode(msgspec.json.encode(timed), type=Timed) == timed
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(timed), type=Timed) == timed


@pytest.mark.parametrize("samples", [(), (0.0,), (1.0, -1.0)])
def test_a_measurement_without_times_cannot_be_built(samples):
    with pytest.raises(UsageError, match="needs samples, each longer than zero"):
        Measurement(measurand="device", clock="c", resolution_s=1e-9, samples_s=samples, warmup=0)


# From the session's end: a plugin with one pretend backend, inline on the simulated host clock.


def evaluated(backend, kernel="steady", options=INLINE, **arguments):
    """The run's description and the record of one kernel on 64 float32 elements."""
    prepared = Session(extra=[plugin(backend)], discover=False).prepare(
        Selection(tasks=("toy/scale",), cases=CASE, implementations=(f"{backend.name}:{kernel}",)),
        options,
        **arguments,
    )
    (record,) = prepared
    return prepared.info, record


def measurands(record):
    return [one.measurand for one in record.measurements]


def test_a_sound_device_gives_three_times_and_a_trusted_clock(host_clock, caches):
    info, record = evaluated(FaultyBackend())
    assert record.status == "passed"
    assert measurands(record) == ["device", "end_to_end", "dispatch"]
    assert record.time("device").samples_s == pytest.approx([1e-3] * 6)
    assert record.time("device").resolution_s == info.clocks["pretend:steady"].resolution_s
    assert record.withheld == ""
    assert info.clocks["pretend:steady"].trusted


class FailingFlush(FaultyBackend):
    """Its cache cannot be evicted although it claims so."""

    name: ClassVar[str] = "failing_flush"

    def flush_cache(self):
        raise RuntimeError("the driver is gone")


class FailingProbes(FaultyBackend):
    """It cannot say what it offers."""

    name: ClassVar[str] = "failing_probes"

    def probes(self):
        raise RuntimeError("no probes today")


def test_a_device_that_fails_over_a_time_leaves_the_verdict_and_says_why(host_clock, caches):
    _, record = evaluated(FailingFlush())
    assert (record.status, record.measurements) == ("passed", ())
    assert record.withheld == "evicting the cache raised RuntimeError: the driver is gone"


def test_probes_that_raise_cost_the_roofline_and_nothing_else(host_clock, caches):
    info, record = evaluated(FailingProbes())
    assert record.status == "passed"
    assert measurands(record) == ["device", "end_to_end", "dispatch"]
    assert record.roofline is None
    assert info.ceilings == {}


def test_a_device_without_a_clock_is_timed_on_the_host_alone(host_clock, caches):
    info, record = evaluated(NoClock())
    assert (info.clocks, measurands(record), record.withheld) == ({}, ["end_to_end", "dispatch"], "")


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("TwoPercentClock", "runs at 1.0200 of the host clock's rate"),
        ("DoubleClock", "runs at 2.0000 of the host clock's rate"),
        ("BackwardsClock", "time runs backwards from one call to the next"),
        ("CoarseClock", "steps of 500 ns are coarser than 200 ns"),
        ("RaisingClock", "raised RuntimeError: the pretend clock lost its records"),
    ],
)
def test_a_refused_clock_leaves_end_to_end_times_and_the_run_says_why(host_clock, caches, tmp_path, kind, fault):
    backend = getattr(pretend_module, kind)()
    info, record = evaluated(backend, out=tmp_path / "run")
    report = info.clocks[f"{backend.name}:steady"]
    assert not report.trusted
    assert report.clock == "pretend"
    assert any(one.startswith(fault) for one in report.faults), report.faults
    assert record.status == "passed"
    assert measurands(record) == ["end_to_end", "dispatch"]
    stored, (kept,) = read_run(tmp_path / "run")
    assert stored.clocks == info.clocks
    assert kept == record


@pytest.mark.parametrize(
    ("backend", "kernel", "why"),
    [
        (LongDeviceTime(), "steady", "device time 1 s is longer than the call end to end, 0.001 s"),
        (BlindToSideStream(), "only_aside", "the pretend clock saw no work on the device during a call"),
        (SidewaysSynchronize(), "leaves_work_behind", "device time 0.0021 s is longer than the call end to"),
        (RaisingClockLater(), "steady", "the pretend clock raised RuntimeError: the pretend clock lost its records"),
    ],
    ids=["too-long", "blind", "waits-too-little", "raises-later"],
)
def test_a_clock_that_fails_later_has_its_times_withheld(host_clock, caches, tmp_path, backend, kernel, why):
    info, record = evaluated(backend, kernel, out=tmp_path / "run")
    assert info.clocks[f"{backend.name}:{kernel}"].trusted
    assert record.status == "passed", record.verdict.message
    assert measurands(record) == ["end_to_end", "dispatch"]
    assert record.withheld.startswith(why)
    assert list(read_run(tmp_path / "run")[1]) == [record]


@pytest.mark.parametrize("kind", [FaultyBackend, NoClock])
def test_work_left_on_a_side_queue_counts_until_it_is_done(host_clock, caches, kind):
    _, record = evaluated(kind(), "leaves_work_behind")
    assert record.withheld == ""
    assert min(record.time("end_to_end").samples_s) >= 2e-3
    assert max(record.time("dispatch").samples_s) < 1e-4
    if kind is FaultyBackend:  # the two queues overlap: the longer one counts
        assert record.time("device").samples_s == pytest.approx([2e-3] * 6, rel=1e-3)


def test_work_on_a_side_queue_alone_is_seen_by_a_sound_clock(host_clock, caches):
    _, record = evaluated(FaultyBackend(), "only_aside")
    assert record.time("device").samples_s == pytest.approx([1e-3] * 6)


CEILINGS = Ceilings(bytes_per_s=1e9, flops_per_s={"float32": 1e12})


@pytest.mark.parametrize(
    ("backend", "clock"), [(FaultyBackend(), "pretend"), (NoClock(), "host")], ids=["device", "host"]
)
def test_a_time_below_the_physical_floor_fails_and_carries_no_times(host_clock, caches, backend, clock):
    remember_ceilings(backend.open(), msgspec.structs.replace(CEILINGS, bytes_per_s=1e6), clock)
    info, record = evaluated(backend, "impossible")
    assert info.ceilings[f"{backend.name}:impossible"].bytes_per_s == 1e6
    assert record.status == "failed"
    assert [check.name for check in record.verdict.checks if check.status == "failed"] == ["physical_floor"]
    assert record.measurements == ()
    assert record.roofline is None
    assert "below what this device can do, 0.000218 s for 512 bytes and 64 operations" in record.verdict.message
    _, possible = evaluated(backend, "steady")
    assert (possible.status, possible.roofline.bound) == ("passed", "memory")


def test_warm_times_may_lie_below_the_floor_of_memory(host_clock, caches):
    remember_ceilings(FaultyBackend().open(), msgspec.structs.replace(CEILINGS, bytes_per_s=1e6), "pretend")
    warm = msgspec.structs.replace(INLINE, timing=TimingPolicy(minimum=6, maximum=6, cache="warm"))
    _, record = evaluated(FaultyBackend(), "impossible", warm)
    assert (record.status, record.time("device").cache) == ("passed", "warm")


class Interpreter(FaultyBackend):
    name: ClassVar[str] = "interpreter"

    def open(self, index: int = 0) -> DeviceInfo:
        self.info = msgspec.structs.replace(super().open(index), kind="interpreter")
        return self.info


class Emulator(FaultyBackend):
    name: ClassVar[str] = "emulator"

    def supports(self, case, function):
        return Support("emulated", "pretends to pretend")


@pytest.mark.parametrize("kind", [Interpreter, Emulator])
def test_what_is_interpreted_or_emulated_is_never_timed(host_clock, caches, kind):
    _, record = evaluated(kind())
    assert (record.status, record.emulated, record.measurements) == ("passed", True, ())
    session = Session(extra=[plugin(kind())], discover=False)
    with pytest.raises(UsageError, match=r"is never timed|cannot be timed on"):
        list(session.compare("toy/scale", f"{kind.name}:steady", f"{kind.name}:slower", options=INLINE, cases=CASE))


def test_edge_cases_and_untimed_runs_calibrate_nothing(host_clock, caches):
    session = Session(extra=[plugin(RaisingClock())], discover=False)
    for options, cases in ((INLINE, ["n=7,*"]), (msgspec.structs.replace(INLINE, timing=None), CASE)):
        outcome = session.evaluate("toy/scale", "raising", name="steady", cases=cases, options=options)
        assert outcome.passed
        assert not any(one.measurements for one in outcome.evaluations)


# In workers, on the real host clock: only faults that no disturbance of the machine can hide.

WORKER = Options(seed=1, timing=TimingPolicy(minimum=3, maximum=3, warmup=0), timeout_s=60)


def test_faults_reach_the_record_from_a_worker(caches, tmp_path):
    backends = [DoubleClock(), RaisingClock()]
    selection = Selection(tasks=("toy/scale",), cases=CASE, implementations=("*:steady",))
    prepared = Session(extra=[plugin(*backends)], discover=False).prepare(selection, WORKER, out=tmp_path / "run")
    records = {record.implementation.backend: record for record in prepared}
    for name, fault in (("double", "of the host clock's rate"), ("raising", "lost its records")):
        assert measurands(records[name]) == ["end_to_end", "dispatch"]
        assert records[name].isolation == "process"
        report = read_run(tmp_path / "run")[0].clocks[f"{name}:steady"]
        assert isinstance(report, ClockReport)
        assert any(fault in one for one in report.faults)


def test_a_run_tests_a_clock_once(host_clock, caches, monkeypatch):
    tested = []

    def noted(clock):
        tested.append(clock)
        return self_test(clock)

    monkeypatch.setattr(engine_module, "self_test", noted)
    session = Session(extra=[plugin(FaultyBackend())], discover=False)
    outcome = session.evaluate("toy/scale", FaultyBackend.name, name="steady", cases=CASE, options=INLINE)
    assert "device" in measurands(outcome.evaluations[0])
    assert len(tested) == 1


def test_a_clock_that_was_found_sound_elsewhere_is_not_tested_again(host_clock):
    sound, double = Engine(FaultyBackend()), Engine(DoubleClock())
    for engine in (sound, double):
        engine.open(0)
    report = sound.calibrate(ceilings=False).clock
    assert double.calibrate(ceilings=False, tested=report).clock == report
    for other in (
        None,
        ClockReport("other", report.resolution_s, 1.0),
        ClockReport(report.clock, 1e-9, 1.5, ("fast",)),
    ):
        assert not double.calibrate(ceilings=False, tested=other).clock.trusted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        (FaultyBackend(), ["device", "end_to_end", "dispatch"]),
        (DoubleClock(), ["end_to_end", "dispatch"]),
        (NoClock(), ["end_to_end", "dispatch"]),
    ],
)
def test_candidates_have_device_times_by_a_clock_that_was_found_sound(caches, backend, expected):
    source = "def scale(x, factor=2.0):\n    return x * x.dtype.type(factor)\n"
    cascade = Cascade(draws=1, timing="short", short=WORKER.timing, hunt=False)
    with Evaluator(Session(extra=[plugin(backend)], discover=False), workers=1, cascade=cascade) as evaluator:
        for _ in range(2):
            (record,) = evaluator.submit("toy/scale", backend.name, source, cases=CASE).result().evaluations
            assert record.status == "passed", record.verdict.message
            assert measurands(record) == expected


def test_a_clock_that_ends_its_worker_costs_only_its_own_backend(caches):
    selection = Selection(tasks=("toy/scale",), cases=CASE, implementations=("*:steady",))
    session = Session(extra=[plugin(DeadlyClock(), NoClock())], discover=False)
    prepared = session.prepare(selection, WORKER)
    assert prepared.info.unavailable["deadly"].startswith("deadly cannot be calibrated: the worker died: exit status 3")
    assert "the pretend clock ends its process" in prepared.info.unavailable["deadly"]
    assert [(one.implementation.backend, one.status) for one in prepared] == [("no_clock", "passed")]


def test_a_worker_that_dies_while_evaluating_is_calibrated_again(caches):
    backend = NoClock()
    kernels = [implementation("segfaults", backend=backend.name, name="kernel")]
    session = Session(extra=[Plugin(tasks=[scale], backends=[backend], implementations=kernels)], discover=False)
    outcome = session.evaluate("toy/scale", "no_clock", cases=["n=7,T=float32", *CASE], options=WORKER)
    lost, after = outcome.evaluations
    assert lost.status == "error"
    assert after.status == "passed"
    assert {one.cache for one in after.measurements} == {"cold"}, "what was calibrated is calibrated again"


def test_records_refuse_times_that_make_no_sense(host_clock, caches):
    _, record = evaluated(FaultyBackend())
    assert isinstance(record, Evaluation)
    with pytest.raises(UsageError, match="carries each measurand once"):
        msgspec.structs.replace(record, measurements=record.measurements * 2)
    with pytest.raises(UsageError, match="an emulated evaluation cannot carry times"):
        msgspec.structs.replace(record, emulated=True)


def test_a_backend_that_is_a_processor_evicts_the_processors_cache():
    backend = ToyBackend()
    backend.open()
    assert backend.flush_cache()
    assert (backend.clock(), backend.probes()) == (None, None)
    assert backend.telemetry() == processor_telemetry()
