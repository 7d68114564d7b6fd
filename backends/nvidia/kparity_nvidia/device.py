"""One NVIDIA GPU beside the framework that works on it."""

from __future__ import annotations

import contextlib
import importlib.util
import os

from kparity import DeviceClock, Telemetry
from kparity_nvidia.driver import Context
from kparity_nvidia.events import EventsClock
from kparity_nvidia.telemetry import Nvml

CLOCK_VARIABLE = "KPARITY_NVIDIA_CLOCK"
"""Environment variable that forces the clock: `cupti`, `events` or `none`. Without it: CUPTI, else events."""


class NvidiaDevice:
    """Synchronisation, cache eviction, clock and telemetry of GPU `index`.

    Args:
        index: which GPU.
        events: whether CUDA events may stand in for CUPTI; not where a framework launches on non-blocking streams.

    Attributes:
        uuid: the GPU's identity, `GPU-...`.
        driver: version of the GPU's driver; empty where NVML does not tell.
        missing: what is not available here and how to install it, for `DeviceInfo.notes`.
        capabilities: what is, for `DeviceInfo.capabilities`.

    Raises:
        OSError, CudaError: there is no usable CUDA driver or no such GPU.
    """

    def __init__(self, index: int, *, events: bool = True) -> None:
        self._context = Context(index)
        self._wanted = _wanted_clocks(events)
        self._flush_bytes = 2 * max(self._context.l2_bytes, 1 << 20)
        self._flush_buffer = 0
        self._clock: DeviceClock | None = None
        self._nvml: Nvml | None = None
        self.uuid = self._context.uuid
        self.driver = ""
        self.missing: list[str] = []
        found = ["device synchronisation", "cache flush"]
        try:
            self._nvml = Nvml(self.uuid)
            self.driver = self._nvml.driver
            found.append("telemetry (NVML)")
        except Exception as error:
            self.missing.append(f"no telemetry: {error}: pip install nvidia-ml-py")
        if "cupti" in self._wanted:
            found.append("device clock (CUPTI)")
        elif "events" in self._wanted:
            found.append("device clock (CUDA events)")
            self.missing.append("device times from CUDA events are upper bounds: pip install 'kparity[nvidia]'")
        else:
            self.missing.append("no device clock, times are end to end only: pip install 'kparity[nvidia]'")
        self.capabilities = tuple(found)

    def synchronize(self) -> None:
        """Wait for everything on the device, whatever stream it is on; an earlier failure surfaces here."""
        self._context.synchronize()

    def flush_cache(self) -> bool:
        """Overwrite twice the size of L2 and drop its persisting lines; the device is idle afterwards."""
        if not self._flush_buffer:
            self._flush_buffer = self._context.allocate(self._flush_bytes)
        self._context.reset_persisting_l2()
        self._context.fill(self._flush_buffer, self._flush_bytes)
        self._context.synchronize()
        return True

    def returned(self) -> None:
        """A call has returned: a clock of CUDA events has to know."""
        if isinstance(self._clock, EventsClock):
            self._clock.returned()

    def clock(self) -> DeviceClock | None:
        """The CUPTI clock; CUDA events where CUPTI is missing or somebody else's; None where neither is wanted.

        Raises:
            Exception: the last of the wanted clocks does not start.
        """
        if self._clock is None and "cupti" in self._wanted:
            with contextlib.nullcontext() if self._wanted == ("cupti",) else contextlib.suppress(Exception):
                from kparity_nvidia.clock import CuptiClock

                self._clock = CuptiClock(self._context)
        if self._clock is None and "events" in self._wanted:
            self._clock = EventsClock(self._context)
        return self._clock

    def telemetry(self) -> Telemetry | None:
        """Clocks, power, temperature and throttle reasons, where NVML is installed."""
        return self._nvml.read() if self._nvml is not None else None


def _wanted_clocks(events: bool) -> tuple[str, ...]:
    """The clocks to try, in order."""
    forced = os.environ.get(CLOCK_VARIABLE, "")
    if forced not in ("", "cupti", "events", "none"):
        raise RuntimeError(f"{CLOCK_VARIABLE} is {forced!r}; expected cupti, events or none")
    found = []
    if forced == "cupti" or (not forced and importlib.util.find_spec("cupti") is not None):
        found.append("cupti")
    if forced in ("", "events") and events:
        found.append("events")
    return tuple(found)
