"""Clocks: what a backend offers so that kernel time is read on the device itself.

A backend without one is timed on the host clock alone, and the record says so. A plugin brings its own in a few lines:
remember what was submitted between `begin` and `end`, and report it in `collect`.
"""

from __future__ import annotations

import itertools
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal

import msgspec

from kparity.errors import UsageError


class Activity(msgspec.Struct, frozen=True):
    """One thing that the device did for a call.

    Attributes:
        name: of the kernel; empty for copies and fills.
        kind: `kernel`, `copy` or `fill`.
        start_ns, end_ns: on the device's clock.
        stream: queue that it ran on.
    """

    name: str
    kind: Literal["kernel", "copy", "fill"]
    start_ns: int
    end_ns: int
    stream: int = 0


class DeviceClock(ABC):
    """Attributes what the device did to the calls that caused it, whichever queue it ran on.

    Attributes:
        name: stands in the record, e.g. `cupti`.
        tick_s: granularity of the device's timestamps in seconds, as documented; the measured one is recorded.
        coarsest_s: measured granularity above which the clock is refused. Intervals are widened by the granularity, so
            a clock that can do no better may ask for more than `LARGEST_RESOLUTION_S`.
        sees_launches: False where an activity is a call as a whole, so that it does not say what ran.
    """

    name: ClassVar[str]
    tick_s: ClassVar[float] = 1e-9
    coarsest_s: ClassVar[float] = 2e-7
    sees_launches: ClassVar[bool] = True

    @abstractmethod
    def begin(self) -> None:
        """A timed call is about to be made; the device is idle."""

    @abstractmethod
    def end(self) -> None:
        """That call has returned and the device is idle again."""

    @abstractmethod
    def collect(self) -> list[list[Activity]]:
        """The activities of each begin/end pair since the last `collect`, in order."""

    @abstractmethod
    def occupy(self, units: int) -> None:
        """Keep the device busy for a time proportional to `units` (about 0.1 ms each), and wait until it is done."""

    def close(self) -> None:
        """Stop recording."""
        return


def busy_seconds(activities: Iterable[Activity]) -> float:
    """Seconds during which at least one of the activities ran: the length of the union of their intervals."""
    total, reach = 0, None
    for start, end in sorted((activity.start_ns, activity.end_ns) for activity in activities):
        if reach is None or start > reach:
            total += end - start
            reach = end
        elif end > reach:
            total += end - reach
            reach = end
    return total * 1e-9


def span_seconds(activities: Iterable[Activity]) -> float:
    """Seconds from the start of the first activity to the end of the last, gaps included."""
    seen = list(activities)
    return (max(one.end_ns for one in seen) - min(one.start_ns for one in seen)) * 1e-9 if seen else 0.0


class Telemetry(msgspec.Struct, frozen=True):
    """The state of the hardware at one moment, by quantity with its unit in the name (`sm_clock_mhz`, `power_w`, ...).

    Attributes:
        values: numbers.
        throttled: reasons for which the hardware holds its clocks down, empty where it does not.
    """

    values: dict[str, float] = {}
    throttled: tuple[str, ...] = ()


class ClockReport(msgspec.Struct, frozen=True):
    """Outcome of a clock's self-test.

    Attributes:
        clock: its name.
        resolution_s: smallest step seen between timestamps.
        slope: device seconds per host second, over several durations; gaps between activities count on both sides.
        faults: what is wrong; a clock with a fault is not used.
    """

    clock: str
    resolution_s: float
    slope: float
    faults: tuple[str, ...] = ()

    @property
    def trusted(self) -> bool:
        """True where nothing is wrong."""
        return not self.faults


SLOPE_TOLERANCE = 0.01
"""How far the device clock's scale may lie from the host clock's."""

LARGEST_RESOLUTION_S = 2e-7
"""Coarsest step of a device clock that is still used, unless it asks for more; coarser ones blur short kernels."""

_UNITS = (10, 20, 40, 80)
_FEW, _MANY = 2, 5


def self_test(clock: DeviceClock) -> ClockReport:
    """Hold a device clock against the host clock: monotonic, fine enough, and running at the same rate.

    The device is kept busy for several durations, several times each; the slope of device time over host time is the
    Theil-Sen estimate (median of pairwise slopes) over the least disturbed repetition of each, so that constant
    overheads and single disturbances drop out. Two repetitions are enough for a clock that nothing disturbs. One that
    these find wrong is tested with five.
    """
    report = _tested(clock, _FEW)
    return report if report.trusted else _tested(clock, _MANY)


def _tested(clock: DeviceClock, repeats: int) -> ClockReport:
    host: list[float] = []
    counts = [units for _ in range(repeats) for units in _UNITS]
    clock.occupy(_UNITS[0])
    for units in counts:
        clock.begin()
        start = time.perf_counter_ns()
        clock.occupy(units)
        host.append((time.perf_counter_ns() - start) * 1e-9)
        clock.end()
    recorded = clock.collect()
    faults: list[str] = []
    if len(recorded) != len(counts) or not all(recorded):
        seen = sum(bool(one) for one in recorded)
        return ClockReport(clock.name, 0.0, 0.0, (f"saw {seen} of {len(counts)} pieces of work",))
    stamps = [stamp for one in recorded for activity in one for stamp in (activity.start_ns, activity.end_ns)]
    if any(activity.end_ns < activity.start_ns for one in recorded for activity in one):
        faults.append("an activity ends before it starts")
    starts = [min(activity.start_ns for activity in one) for one in recorded]
    if any(later < earlier for earlier, later in itertools.pairwise(starts)):
        faults.append("time runs backwards from one call to the next")
    resolution = step_seconds(stamps)
    if resolution > clock.coarsest_s:
        faults.append(f"steps of {resolution * 1e9:.0f} ns are coarser than {clock.coarsest_s * 1e9:.0f} ns")
    device = [span_seconds(one) for one in recorded]
    slope = _slope(*_least_disturbed(counts, host, device))
    if abs(slope - 1) > SLOPE_TOLERANCE:
        faults.append(f"runs at {slope:.4f} of the host clock's rate; allowed is 1 +- {SLOPE_TOLERANCE:g}")
    if any(own > whole + resolution for own, whole in zip(device, host, strict=True)):
        faults.append("gave a device time longer than the call, end to end")
    return ClockReport(clock.name, resolution, slope, tuple(faults))


def _least_disturbed(
    counts: Sequence[int], host: Sequence[float], device: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Host and device seconds of that repetition of each duration in which the two lie nearest to each other.

    What disturbs a repetition, on the host or between launches, lengthens the host's time beyond the device's.
    """
    best: dict[int, tuple[float, float]] = {}
    for units, whole, own in zip(counts, host, device, strict=True):
        if units not in best or abs(whole - own) < abs(best[units][0] - best[units][1]):
            best[units] = (whole, own)
    return [whole for whole, _ in best.values()], [own for _, own in best.values()]


def step_seconds(stamps_ns: Sequence[int]) -> float:
    """Granularity of integer timestamps, in seconds: the greatest common divisor of their differences."""
    step = 0
    for earlier, later in itertools.pairwise(stamps_ns):
        step = math.gcd(step, abs(later - earlier))
    return max(step, 1) * 1e-9


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    from scipy.stats import theilslopes

    if len(set(x)) < 2:
        raise UsageError("a slope needs at least two different durations")
    return float(theilslopes(y, x).slope)
