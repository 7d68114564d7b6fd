"""How fast the processor's cores are clocked at this moment."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from kparity.clock import Telemetry

_CORES = Path("/sys/devices/system/cpu")
_CPUINFO = Path("/proc/cpuinfo")


def processor_telemetry() -> Telemetry | None:
    """Lowest and highest clock of the cores that this process may use, in MHz; None where the system does not say.

    Source: Linux' cpufreq (`scaling_cur_freq`), else `cpu MHz` of `/proc/cpuinfo`, which virtual machines often hold
    constant.
    """
    clocks = _scaled() or _listed()
    if not clocks:
        return None
    return Telemetry({"core_clock_lowest_mhz": min(clocks), "core_clock_highest_mhz": max(clocks)})


def _scaled() -> list[float]:
    found = []
    for core in _usable():
        with contextlib.suppress(OSError, ValueError):
            found.append(int((_CORES / f"cpu{core}" / "cpufreq" / "scaling_cur_freq").read_text()) / 1000)
    return found


def _listed() -> list[float]:
    usable, core, found = _usable(), -1, []
    with contextlib.suppress(OSError, ValueError):
        for line in _CPUINFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "processor":
                core = int(value)
            elif name.strip() == "cpu MHz" and core in usable:
                found.append(float(value))
    return [clock for clock in found if clock > 0]


def _usable() -> set[int]:
    try:
        return set(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return set(range(os.cpu_count() or 1))
