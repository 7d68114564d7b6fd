"""The fallback clock of an NVIDIA GPU: CUDA events around each call, where CUPTI cannot be had."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import ClassVar

from kparity import Activity, DeviceClock
from kparity_nvidia.driver import Context, Event

_UNIT_BYTES = 256 << 20
_IDLE_TRIES = 50
_LEAST_OUTLASTING_NS = 5_000
_OUTLASTING_SHARE = 0.02


class OutlastedError(RuntimeError):
    """Work of the timed calls went on where the default stream does not wait for it."""


@dataclass
class _Call:
    start: Event
    end: Event
    outlasted_ns: int = 0


class EventsClock(DeviceClock):
    """An upper bound of the time in which the GPU worked for a call, from two events on the legacy default stream.

    The first event is recorded while the device is idle, before the call; the second when the call has returned. It
    completes when all work on that stream and on the streams that synchronize with it is done. So the time holds the
    gaps between kernels and the way from the first event to the first launch: a few microseconds for a bare kernel,
    more where the call does much on the host. What runs on non-blocking streams that were not joined is not waited for
    by the second event: whether the device is idle at once is looked at after each call, and where it is not in a
    quarter of the calls, `collect` raises. Less than `threshold_ns` of such work goes unnoticed, and less than a
    fiftieth of the call: a host that slept while it waited takes so long to find an idle device idle.

    Attributes:
        threshold_ns: what the device may go on for after the second event; from how long an idle device is waited for.
    """

    name: ClassVar[str] = "cuda_events"
    tick_s: ClassVar[float] = 5e-7
    coarsest_s: ClassVar[float] = 1.1e-6
    sees_launches: ClassVar[bool] = False

    def __init__(self, context: Context) -> None:
        self._context = context
        self._scratch = 0
        self._spare: list[Event] = []
        self._open: _Call | None = None
        self._calls: list[_Call] = []
        self._elapsed_ns = 0
        context.synchronize()
        idle = [self._wait_ns() for _ in range(_IDLE_TRIES)]
        self.threshold_ns = max(3 * round(statistics.median(idle)), _LEAST_OUTLASTING_NS)

    def begin(self) -> None:
        """Record the first event, again where this thread was held up over it: the call is to follow at once."""
        start = self._event()
        for _ in range(5):
            before = time.perf_counter_ns()
            self._context.record(start)
            if time.perf_counter_ns() - before < 20_000:
                break
        self._open = _Call(start, self._event())

    def returned(self) -> None:
        """The call has returned and its work is submitted: record the second event and see what outlasts it."""
        if (call := self._ended()) is not None:
            call.outlasted_ns = self._wait_ns()

    def end(self) -> None:
        """The device is idle; where nobody said before that the call had returned, it is said now."""
        self.returned()

    def collect(self) -> list[list[Activity]]:
        """One activity for each call. Stamps count the time between events alone, one call after the other.

        Raises:
            OutlastedError: in a quarter of the calls or more, work went on after the second event.
        """
        calls, self._calls = self._calls, []
        try:
            outlasted = sorted(call.outlasted_ns for call in calls if self._is_outlasted(call))
            if outlasted and 4 * len(outlasted) >= len(calls):
                raise OutlastedError(
                    f"in {len(outlasted)} of {len(calls)} calls work went on for up to {outlasted[-1] / 1e3:.0f} us on "
                    "a stream that the default stream does not wait for; CUDA events cannot time it, CUPTI can: "
                    "pip install 'kparity[nvidia]'"
                )
            return [[self._activity(call)] for call in calls]
        finally:
            self._spare += [event for call in calls for event in (call.start, call.end)]

    def occupy(self, units: int) -> None:
        """Fill `units` times 256 MiB of device memory in one go, and wait."""
        if not self._scratch:
            self._scratch = self._context.allocate(_UNIT_BYTES)
        for _ in range(units):
            self._context.fill(self._scratch, _UNIT_BYTES)
        self._ended()  # no work goes on aside: there is nothing to look for
        self._context.synchronize()

    def _ended(self) -> _Call | None:
        """Record the second event of the open call and wait for it."""
        call, self._open = self._open, None
        if call is not None:
            self._context.record(call.end)
            self._context.wait_for(call.end)
            self._calls.append(call)
        return call

    def _is_outlasted(self, call: _Call) -> bool:
        if call.outlasted_ns <= self.threshold_ns:
            return False
        return call.outlasted_ns > _OUTLASTING_SHARE * 1e6 * self._context.between_ms(call.start, call.end)

    def _activity(self, call: _Call) -> Activity:
        start = self._elapsed_ns
        self._elapsed_ns += round(self._context.between_ms(call.start, call.end) * 1e6)
        return Activity("call", "kernel", start, self._elapsed_ns)

    def _wait_ns(self) -> int:
        """How long the device is waited for."""
        before = time.perf_counter_ns()
        self._context.synchronize()
        return time.perf_counter_ns() - before

    def _event(self) -> Event:
        return self._spare.pop() if self._spare else self._context.event()
