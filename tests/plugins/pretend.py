"""What the tests of times share: a host clock that moves only when told to, kernels of known duration, a plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toy import Plugin, scale, split
from toy_kernels import good

from kparity import Backend, DeviceClock, Implementation
from kparity.testing import lasting

TICK_NS = 20


class HostClock:
    """Stands in for the module `time`: each reading takes one tick, and sleeping takes no time at all."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def perf_counter_ns(self) -> int:
        self.now_ns += TICK_NS
        return self.now_ns

    def perf_counter(self) -> float:
        return self.perf_counter_ns() * 1e-9

    def sleep(self, seconds: float) -> None:
        self.now_ns += max(round(seconds * 1e9), 1)


@lasting(1e-3)
def steady(x, factor=2.0):
    """A millisecond on the device."""
    return good(x, factor)


@lasting(1.02e-3)
def slower(x, factor=2.0):
    """Two per cent more."""
    return good(x, factor)


@lasting(1e-4, side_s=2e-3)
def leaves_work_behind(x, factor=2.0):
    """A tenth of a millisecond, and two milliseconds on a second queue that no output depends on."""
    return good(x, factor)


@lasting(0.0, side_s=1e-3)
def only_aside(x, factor=2.0):
    """All of its work is on the second queue."""
    return good(x, factor)


@lasting(1e-9)
def impossible(x, factor=2.0):
    """A nanosecond, whatever it has to move."""
    return good(x, factor)


KERNELS = ("steady", "slower", "leaves_work_behind", "only_aside", "impossible")


def plugin(*backends: Backend) -> Plugin:
    """The toy tasks with these backends, each with the kernels above as implementations of `toy/scale`."""
    kernels = [
        Implementation("toy/scale", backend.name, f"pretend:{kernel}", kernel)
        for backend in backends
        for kernel in KERNELS
    ]
    return Plugin("pretend-plugin", tasks=[scale, split], backends=backends, implementations=kernels)


class ScriptedClock(DeviceClock):
    """Hands out what a test wrote down; `occupy` calls a function of the test's."""

    name = "scripted"

    def __init__(self, collected: Callable[[], Any], occupied: Callable[[int], None] = lambda units: None) -> None:
        self._collected = collected
        self._occupied = occupied
        self.calls = 0

    def begin(self) -> None:
        """Nothing."""

    def end(self) -> None:
        self.calls += 1

    def collect(self) -> Any:
        calls, self.calls = self.calls, 0
        return self._collected()[:calls]

    def occupy(self, units: int) -> None:
        self._occupied(units)
