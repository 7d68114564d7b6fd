"""Kernel time from OpenCL's profiling events."""

from __future__ import annotations

from typing import Any

from kparity import Activity, DeviceClock

from kparity_opencl.language import build

_SPIN = """
kernel void spin(global float *kept, uint units) {
    float x = kept[0];
    for (uint i = 0; i < units * 80000u; ++i) x = fma(x, 0.9999f, 1e-4f);
    kept[0] = x;
}
"""


class EventClock(DeviceClock):
    """Every launch is noted with its event; what the device did in a call are the events between `begin` and `end`."""

    name = "opencl-events"

    def __init__(self, queue: Any) -> None:
        import pyopencl as cl

        self._queue = queue
        self._spin = build(queue.context, _SPIN).spin
        self._kept = cl.Buffer(queue.context, cl.mem_flags.READ_WRITE, 4)
        self._calls: list[list[Any]] = []
        self._recording = False

    def note(self, event: Any) -> None:
        """Remember a launch, where one is being timed."""
        if self._recording:
            self._calls[-1].append(event)

    def begin(self) -> None:
        self._calls.append([])
        self._recording = True

    def end(self) -> None:
        self._recording = False

    def collect(self) -> list[list[Activity]]:
        calls, self._calls = self._calls, []
        return [[Activity("", "kernel", one.profile.start, one.profile.end) for one in call] for call in calls]

    def occupy(self, units: int) -> None:
        import numpy as np

        event = self._spin(self._queue, (1,), None, self._kept, np.uint32(units))
        event.wait()
        self.note(event)
