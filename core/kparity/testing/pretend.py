"""A pretend accelerator whose clock can be broken on purpose, for tests of whatever reads or trusts times.

Its memory is the host's and its kernels are NumPy functions, yet it keeps time as a GPU does: a call queues work and
returns at once, the work lasts as long as `lasting` says, and waiting ends when the host's clock has passed its end.
Give a `FaultyBackend`, or one of the subclasses that each have one fault, to `Session(extra=[...])` through a plugin.

`import kparity` does not import this module.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np

from kparity.backend import Backend, DeviceArray, DeviceInfo, Executable, Probes
from kparity.case import Case
from kparity.clock import Activity, DeviceClock
from kparity.errors import Unavailable
from kparity.loading import Function

__all__ = [
    "BackwardsClock",
    "BlindToSideStream",
    "CoarseClock",
    "DeadlyClock",
    "DoubleClock",
    "Fault",
    "FaultyBackend",
    "FaultyClock",
    "LongDeviceTime",
    "NoClock",
    "PretendDevice",
    "RaisingClock",
    "RaisingClockLater",
    "SidewaysSynchronize",
    "TwoPercentClock",
    "lasting",
]

F = TypeVar("F", bound=Callable[..., Any])

_SIDEWAYS = """
from kparity.testing import lasting

@lasting(1e-4, side_s=2e-2)
def doubled(x):
    return x + x
"""

Fault = Literal[
    "none",
    "no_clock",
    "two_percent",
    "double",
    "backwards",
    "coarse",
    "too_long",
    "blind_to_side_stream",
    "waits_too_little",
    "raises",
    "raises_later",
    "dies",
]

_UNIT_S = 1e-4
_FLUSH_S = 2e-5
_MAIN, _SIDE = 0, 1
_COARSE_NS = 500
_TOO_LONG_NS = 1_000_000_000
_SPIN_NS = 300_000
_OCCUPY = "occupy"


def lasting(seconds: float, *, side_s: float = 0.0) -> Callable[[F], F]:
    """Decorate a kernel with the time that a call keeps the pretend device's main queue busy.

    Args:
        seconds: on the main queue; 0 puts no work there.
        side_s: on a second queue that runs beside it and that no output depends on; 0 puts no work there.
    """

    def mark(kernel: F) -> F:
        kernel.__dict__["pretend_s"] = (seconds, side_s)
        return kernel

    return mark


class PretendDevice:
    """Two queues that run side by side, each in order; their time is the host clock's, in nanoseconds.

    Attributes:
        activities: what was submitted since somebody last cleared the list.
    """

    def __init__(self) -> None:
        self.activities: list[Activity] = []
        self._free_ns = {_MAIN: 0, _SIDE: 0}

    def submit(self, name: str, seconds: float, stream: int = _MAIN) -> None:
        """Queue work that lasts this long; returns at once."""
        start = max(time.perf_counter_ns(), self._free_ns[stream])
        end = start + round(seconds * 1e9)
        self._free_ns[stream] = end
        self.activities.append(Activity(name, "kernel", start, end, stream))

    def wait(self, *streams: int) -> None:
        """Block until these queues are empty."""
        until = max(self._free_ns[stream] for stream in streams)
        while (left := until - time.perf_counter_ns()) > 0:
            if left > _SPIN_NS:
                time.sleep((left - _SPIN_NS // 2) * 1e-9)


class FaultyClock(DeviceClock):
    """Reads a `PretendDevice`, with one fault or none."""

    name: ClassVar[str] = "pretend"

    def __init__(self, device: PretendDevice, fault: Fault) -> None:
        self._device = device
        self._fault = fault
        self._calls: list[list[Activity]] = []

    def begin(self) -> None:
        """Forget what was submitted before."""
        self._device.activities.clear()

    def end(self) -> None:
        """Keep what was submitted since `begin`."""
        self._calls.append(list(self._device.activities))

    def collect(self) -> list[list[Activity]]:
        """What was kept, as the fault makes it look."""
        calls, self._calls = self._calls, []
        timing = any(activity.name != _OCCUPY for call in calls for activity in call)
        if self._fault == "raises" or (self._fault == "raises_later" and timing):
            raise RuntimeError("the pretend clock lost its records")
        if self._fault == "dies":
            print("the pretend clock ends its process", flush=True)
            os._exit(3)
        return [[self._seen(activity) for activity in call if self._sees(activity)] for call in calls]

    def occupy(self, units: int) -> None:
        """Work for 0.1 ms for each unit, and wait."""
        self._device.submit(_OCCUPY, units * _UNIT_S)
        self._device.wait(_MAIN)

    def _sees(self, activity: Activity) -> bool:
        return not (self._fault == "blind_to_side_stream" and activity.stream == _SIDE)

    def _seen(self, activity: Activity) -> Activity:
        start, end = activity.start_ns, activity.end_ns
        if self._fault == "two_percent":
            start, end = start * 102 // 100, end * 102 // 100
        elif self._fault == "double":
            start, end = 2 * start, 2 * end
        elif self._fault == "backwards":
            start, end = -end, -start
        elif self._fault == "coarse":
            start, end = (stamp // _COARSE_NS * _COARSE_NS for stamp in (start, end))
        elif self._fault == "too_long" and activity.name != _OCCUPY:
            end += _TOO_LONG_NS
        return Activity(activity.name, activity.kind, start, end, activity.stream)


class FaultyBackend(Backend):
    """A pretend accelerator of kind `gpu` whose device arrays are NumPy arrays; without a fault unless subclassed.

    A worker imports its backend by the name of its class, so a fault is an attribute of a class, never of an instance.
    The subclasses in this module have one fault each.

    Attributes:
        fault: what is wrong with it.
        kernel_s: how long a kernel lasts that `lasting` says nothing of.
        bytes_per_s, flops_per_s: pace of the calls that measure its ceilings; without a pace, there are none.
    """

    name: ClassVar[str] = "pretend"
    fault: ClassVar[Fault] = "none"
    kernel_s: ClassVar[float] = _UNIT_S
    bytes_per_s: ClassVar[float] = 0.0
    flops_per_s: ClassVar[float] = 0.0
    specimens: ClassVar[Mapping[str, str]] = {"sideways": _SIDEWAYS}

    def open(self, index: int = 0) -> DeviceInfo:
        """Report the pretend device.

        Raises:
            Unavailable: `index` is not 0.
        """
        if index:
            raise Unavailable(f"there is no pretend accelerator {index}")
        self._device = PretendDevice()
        self._clock = FaultyClock(self._device, self.fault)
        self.info = DeviceInfo(backend=self.name, name="Pretend", kind="gpu", versions={"pretend": "1.0"})
        return self.info

    def put(self, array: np.ndarray) -> np.ndarray:
        """A copy."""
        return array.copy()

    def get(self, array: DeviceArray) -> np.ndarray:
        """A copy, once the main queue is empty.

        Raises:
            TypeError: no NumPy array.
        """
        if type(array) is not np.ndarray:
            raise TypeError(f"expected a numpy.ndarray, got {type(array).__name__}")
        self._device.wait(_MAIN)
        return array.copy()

    def compile(self, function: Function, arguments: Sequence[DeviceArray], case: Case) -> Executable:
        """Bind the case's attributes and let every call take its pretend time."""
        compute = super().compile(function, arguments, case)
        main_s, side_s = getattr(function, "pretend_s", (self.kernel_s, 0.0))

        def call(*arrays: DeviceArray) -> Any:
            outputs = compute(*arrays)
            for stream, seconds in ((_MAIN, main_s), (_SIDE, side_s)):
                if seconds:
                    self._device.submit(function.__name__, seconds, stream)
            return outputs

        return call

    def wait(self, outputs: Sequence[DeviceArray]) -> None:
        """Block until the main queue is empty: outputs come from nowhere else."""
        self._device.wait(_MAIN)

    def synchronize(self, outputs: Sequence[DeviceArray]) -> None:
        """Block until both queues are empty."""
        if self.fault == "waits_too_little":
            self.wait(outputs)
        else:
            self._device.wait(_MAIN, _SIDE)

    def clock(self) -> DeviceClock | None:
        """The clock with the fault."""
        return None if self.fault == "no_clock" else self._clock

    def flush_cache(self) -> bool:
        """There is no cache, so it is always cold; the time to empty one passes all the same."""
        self._device.submit("flush", _FLUSH_S)
        self._device.wait(_MAIN)
        return True

    def probes(self) -> Probes | None:
        """Calls that last as long as the class says; their results are not computed."""
        if not self.bytes_per_s:
            return None
        return Probes(
            null=lambda one: self._spend(one, 0.0),
            copy=lambda array: self._spend(array, 2 * array.nbytes / self.bytes_per_s),
            matmul=(lambda a, b: self._spend(a, 2 * len(a) ** 3 / self.flops_per_s)) if self.flops_per_s else None,
            matmul_dtypes=("float32",),
        )

    def _spend(self, output: np.ndarray, seconds: float) -> np.ndarray:
        self._device.submit("probe", max(seconds, 1e-6))
        return output


class NoClock(FaultyBackend):
    """Has no device clock."""

    name: ClassVar[str] = "no_clock"
    fault: ClassVar[Fault] = "no_clock"


class TwoPercentClock(FaultyBackend):
    """Its clock runs 2 % fast."""

    name: ClassVar[str] = "two_percent"
    fault: ClassVar[Fault] = "two_percent"


class DoubleClock(FaultyBackend):
    """Its clock runs at twice the true rate."""

    name: ClassVar[str] = "double"
    fault: ClassVar[Fault] = "double"


class BackwardsClock(FaultyBackend):
    """Its clock counts down: durations are right, but later work carries earlier stamps."""

    name: ClassVar[str] = "backwards"
    fault: ClassVar[Fault] = "backwards"


class CoarseClock(FaultyBackend):
    """Its clock steps by 0.5 us."""

    name: ClassVar[str] = "coarse"
    fault: ClassVar[Fault] = "coarse"


class LongDeviceTime(FaultyBackend):
    """Its clock passes the self-test but adds a second to every kernel, more than the call took."""

    name: ClassVar[str] = "too_long"
    fault: ClassVar[Fault] = "too_long"


class BlindToSideStream(FaultyBackend):
    """Its clock does not record what runs on the second queue."""

    name: ClassVar[str] = "blind"
    fault: ClassVar[Fault] = "blind_to_side_stream"


class SidewaysSynchronize(FaultyBackend):
    """Its `synchronize` waits for the main queue only, so that work on the second outlives the call."""

    name: ClassVar[str] = "sideways"
    fault: ClassVar[Fault] = "waits_too_little"


class RaisingClock(FaultyBackend):
    """Its clock raises whenever it is asked for its records."""

    name: ClassVar[str] = "raising"
    fault: ClassVar[Fault] = "raises"


class RaisingClockLater(FaultyBackend):
    """Its clock passes the self-test and raises when kernels are timed."""

    name: ClassVar[str] = "raising_later"
    fault: ClassVar[Fault] = "raises_later"


class DeadlyClock(FaultyBackend):
    """Its clock ends the process that asks for its records; only for workers."""

    name: ClassVar[str] = "deadly"
    fault: ClassVar[Fault] = "dies"
