"""The timing layer: three measurands side by side, sampled until their interval is narrow, with what disturbed them.

* `device`: seconds in which the device worked for the call, on the device's own clock;
* `end_to_end`: from the call to its synchronized result, on the host clock;
* `dispatch`: from the call to its return, on the host clock.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from kparity.clock import DeviceClock, Telemetry, busy_seconds
from kparity.records import CacheState, Conditions, Launch, Measurand, Measurement
from kparity.stats import Interval, calmness, look_confidence, median_interval

HOST_CLOCK = "host:perf_counter_ns"
_TRIALS = 5
_FINE = 100
"""A sample lasts at least this many steps of the host clock, where the cache state allows calling more than once."""


class TimingPolicy(msgspec.Struct, frozen=True):
    """How times are taken; these are the defaults.

    Attributes:
        cache: `cold` evicts the last-level cache before every sample, `warm` leaves it as the last call left it.
        target: sampling stops when the 95 % interval of the median is within this fraction either way,
        budget_s: or after this many seconds,
        minimum: but never under this many samples,
        maximum: nor over this many.
        warmup: calls before the first sample.
    """

    cache: CacheState = "cold"
    target: float = 0.01
    budget_s: float = 0.15
    minimum: int = 5
    maximum: int = 1000
    warmup: int = 3


class Timed(msgspec.Struct, frozen=True):
    """What timing one call gave.

    Attributes:
        measurements: at most one for each measurand.
        conditions: the state of the machine around it.
        withheld: why there is no device time although the device has a clock; empty where nothing is wrong.
        launches: what ran on the device, largest share of its time first; empty where no clock saw it.
    """

    measurements: tuple[Measurement, ...]
    conditions: Conditions
    withheld: str = ""
    launches: tuple[Launch, ...] = ()


class DeviceFault(Exception):
    """The device, and not what was timed on it, failed: there is no time, and that is nobody's error."""


class Bench:
    """Takes samples of calls on one device.

    Args:
        wait: blocks until everything that was submitted to the device is done, on whatever queue.
        flush: evicts the last-level cache and says whether it could.
        clock: the device's clock, if it has a trusted one.
        telemetry: reads the hardware's state, if it can be read.
        step_s: measured resolution of the device's clock; as documented where None.
    """

    def __init__(
        self,
        wait: Callable[[Sequence[object]], None],
        flush: Callable[[], bool],
        clock: DeviceClock | None,
        telemetry: Callable[[], Telemetry | None],
        step_s: float | None = None,
    ) -> None:
        self._wait = wait
        self._flush = flush
        self._clock = clock
        self._telemetry = telemetry
        self._resolution_s = host_resolution()
        self._step_s = step_s if step_s is not None or clock is None else clock.tick_s

    def time(self, calls: Sequence[Callable[[], Sequence[object]]], policy: TimingPolicy) -> Timed:
        """Time calls that do the same on different copies of their inputs, in rotation.

        Args:
            calls: each submits the work and returns its outputs.
            policy: how.

        Raises:
            DeviceFault: the cache could not be evicted although the device claims to do that.
        """
        before = self._read()
        load_before = _load()
        for number in range(policy.warmup):
            self._wait(calls[number % len(calls)]())
        samples = _Samples([], [], [], [])
        started, look = time.perf_counter(), 0
        cold = policy.cache == "cold" and self._sample(calls, 1, True, samples)
        inner = 1 if cold or self._clock is not None else self._calls_per_sample(calls)
        wanted = policy.minimum
        while True:
            while len(samples.end_to_end) < wanted:
                self._sample(calls, inner, cold, samples)
                if time.perf_counter() - started > policy.budget_s and len(samples.end_to_end) >= policy.minimum:
                    break
            if self._clock is not None:
                samples.add_device(self._clock)
            look += 1
            primary = samples.device or samples.end_to_end
            narrow = median_interval(primary, look_confidence(look)).half_width <= policy.target
            if narrow or time.perf_counter() - started > policy.budget_s or len(primary) >= policy.maximum:
                break
            wanted = min(2 * wanted, policy.maximum)
        state: CacheState = "cold" if cold else "warm"
        conditions = Conditions.around(before, self._read(), _both(load_before, _load()))
        return self._report(samples, state, inner, policy, conditions)

    def rehearse(self, calls: Sequence[Callable[[], Sequence[object]]], policy: TimingPolicy) -> None:
        """Take one sample as `time` does and forget it: what a process does once, such as starting its clock, is done.

        Raises:
            DeviceFault: the cache could not be evicted although the device claims to do that.
        """
        sample = _Samples([], [], [], [])
        self._sample(calls, 1, policy.cache == "cold", sample)
        if self._clock is not None:
            sample.add_device(self._clock)

    def block(self, call: Callable[[], Sequence[object]], count: int, cold: bool) -> tuple[list[float], list[float]]:
        """Take `count` samples of one call: seconds on the device (empty without a sound clock) and end to end."""
        samples = _Samples([], [], [], [])
        cold = cold and self._sample([call], 1, True, samples)
        while len(samples.end_to_end) < count:
            self._sample([call], 1, cold, samples)
        if self._clock is not None:
            samples.add_device(self._clock)
        return [] if self._fault(samples) else samples.device, samples.end_to_end

    def _sample(self, calls: Sequence[Callable[[], Sequence[object]]], inner: int, cold: bool, into: _Samples) -> bool:
        """Take one sample and say whether that was done: with `cold`, the first only where the cache can be evicted."""
        call = calls[len(into.end_to_end) % len(calls)]  # may prepare its arguments: before the cache is evicted
        if cold and not self._evict() and not into.end_to_end:
            return False
        self._tell("begin", into)
        now = time.perf_counter_ns
        start = now()
        for _ in range(inner):
            outputs = call()
        returned = now()
        self._wait(outputs)
        done = now()
        self._tell("end", into)
        into.dispatch.append(max(returned - start, 1) * 1e-9 / inner)
        into.end_to_end.append(max(done - start, 1) * 1e-9 / inner)
        return True

    def _calls_per_sample(self, calls: Sequence[Callable[[], Sequence[object]]]) -> int:
        """From the shortest of a few calls: one that happened to be held up says nothing."""
        seconds = []
        for _ in range(_TRIALS):
            start = time.perf_counter()
            self._wait(calls[0]())
            seconds.append(max(time.perf_counter() - start, 1e-9))
        return max(1, math.ceil(_FINE * self._resolution_s / min(seconds)))

    def _tell(self, what: Literal["begin", "end"], samples: _Samples) -> None:
        """Let the clock know; where it raises, its times are not used."""
        if self._clock is None:
            return
        try:
            self._clock.begin() if what == "begin" else self._clock.end()
        except Exception as error:
            samples.faults.append(f"the {self._clock.name} clock raised {type(error).__name__}: {error}")

    def _evict(self) -> bool:
        try:
            return self._flush()
        except Exception as error:
            raise DeviceFault(f"evicting the cache raised {type(error).__name__}: {error}") from error

    def _read(self) -> Telemetry | None:
        """The state of the hardware; one that cannot be read is not recorded."""
        try:
            return self._telemetry()
        except Exception:
            return None

    def _report(
        self, samples: _Samples, cache: CacheState, inner: int, policy: TimingPolicy, conditions: Conditions
    ) -> Timed:
        def measurement(measurand: Measurand, values: list[float], clock: str, resolution: float) -> Measurement:
            calm = calmness(values, resolution / inner)
            return Measurement(
                measurand=measurand,
                clock=clock,
                resolution_s=resolution / inner,
                samples_s=tuple(values),
                warmup=policy.warmup,
                cache=cache,
                calls_per_sample=inner,
                interval_s=widened(median_interval(values), resolution / inner),
                drift=calm.drift,
                bimodal=calm.bimodal,
            )

        host = [
            measurement("end_to_end", samples.end_to_end, HOST_CLOCK, self._resolution_s),
            measurement("dispatch", samples.dispatch, HOST_CLOCK, self._resolution_s),
        ]
        fault = self._fault(samples)
        if self._clock is None or fault:
            return Timed(tuple(host), conditions, fault, samples.shares())
        device = measurement("device", samples.device, self._clock.name, self._step_s or 0.0)
        return Timed((device, *host), conditions, launches=samples.shares())

    def _fault(self, samples: _Samples) -> str:
        if self._clock is None:
            return ""
        if samples.faults:
            return samples.faults[0]
        for own, whole in zip(samples.device, samples.end_to_end, strict=True):
            if own > whole + self._resolution_s + (self._step_s or 0.0):
                return f"device time {own:.3g} s is longer than the call end to end, {whole:.3g} s"
        return ""


class _Samples(msgspec.Struct):
    device: list[float]
    end_to_end: list[float]
    dispatch: list[float]
    faults: list[str]
    ran: dict[str, list[float]] = {}

    def shares(self) -> tuple[Launch, ...]:
        """What ran on the device, by name."""
        total = sum(map(sum, self.ran.values()))
        found = [
            Launch(name, len(times) / len(self.end_to_end), sum(times) / total if total else 0.0)
            for name, times in self.ran.items()
        ]
        return tuple(sorted(found, key=lambda one: -one.share))

    def add_device(self, clock: DeviceClock) -> None:
        """Read the device times of the samples taken since the last time."""
        missing = len(self.end_to_end) - len(self.device)
        try:
            recorded = clock.collect()
        except Exception as error:  # the clock's failure, not the implementation's
            self.faults.append(f"the {clock.name} clock raised {type(error).__name__}: {error}")
            recorded = [[] for _ in range(missing)]
        if len(recorded) != missing:
            self.faults.append(f"the {clock.name} clock recorded {len(recorded)} of {missing} calls")
            recorded = [*recorded, *([] for _ in range(missing))][:missing]
        for activities in recorded:
            for one in activities:
                if clock.sees_launches:
                    self.ran.setdefault(one.name or one.kind, []).append((one.end_ns - one.start_ns) * 1e-9)
            seconds = busy_seconds(activities)
            if seconds <= 0:
                self.faults.append(f"the {clock.name} clock saw no work on the device during a call")
            self.device.append(max(seconds, 1e-12))


def widened(interval: Interval, resolution_s: float) -> tuple[float, float]:
    """The limits of an interval, moved apart by the clock's resolution."""
    return max(interval.low - resolution_s, 0.0), interval.high + resolution_s


def host_resolution() -> float:
    """Smallest step that the host clock was seen to make, in seconds."""
    clock = time.perf_counter_ns
    steps = []
    for _ in range(50):
        start = clock()
        while (now := clock()) == start:
            pass
        steps.append(now - start)
    return min(steps) * 1e-9


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _both(before: float | None, after: float | None) -> tuple[float, float] | None:
    return None if before is None or after is None else (before, after)
