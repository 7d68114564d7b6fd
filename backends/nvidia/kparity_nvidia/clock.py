"""The clock of an NVIDIA GPU: CUPTI activity records, whoever launched the work and on whatever stream."""

from __future__ import annotations

import bisect
from typing import Any, ClassVar, Literal

from kparity import Activity, DeviceClock
from kparity_nvidia.driver import Context

_BUFFER_BYTES = 8 << 20
_UNIT_BYTES = 256 << 20  # a fill of this size takes about 0.1 ms on a data-centre GPU


class CuptiClock(DeviceClock):
    """Kernels, copies and fills by the time at which the GPU started and ended them.

    A call owns what started between its `begin` and its `end`; the device is idle at both. CUPTI converts the GPU's
    timestamps to the host's nanoseconds. There can be one such clock in a process, and none where torch's profiler ran.
    """

    name: ClassVar[str] = "cupti"

    def __init__(self, context: Context) -> None:
        from cupti import cupti

        self._cupti: Any = cupti
        self._context = context
        self._scratch = 0
        self._scratch_bytes = 0
        self._records: list[Activity] = []
        self._windows: list[tuple[int, int]] = []
        self._opened = 0
        activity = cupti.ActivityKind
        self._kinds: dict[int, Literal["kernel", "copy", "fill"]] = {
            int(activity.CONCURRENT_KERNEL): "kernel",
            int(activity.MEMCPY): "copy",
            int(activity.MEMSET): "fill",
        }
        with context.current():
            cupti.activity_register_callbacks(lambda: (_BUFFER_BYTES, 0), self._received)
            for kind in self._kinds:
                cupti.activity_enable(kind)

    def begin(self) -> None:
        """Remember the time; the device is idle."""
        self._opened = self._cupti.get_timestamp()

    def end(self) -> None:
        """Close the window that `begin` opened; the device is idle again."""
        self._windows.append((self._opened, self._cupti.get_timestamp()))

    def collect(self) -> list[list[Activity]]:
        """Ask CUPTI for what it still holds and sort the records into the windows."""
        self._context.synchronize()
        self._cupti.activity_flush_all(1)
        windows, self._windows = self._windows, []
        records, self._records = sorted(self._records, key=lambda record: record.start_ns), []
        starts = [record.start_ns for record in records]
        return [records[bisect.bisect_left(starts, low) : bisect.bisect_right(starts, high)] for low, high in windows]

    def occupy(self, units: int) -> None:
        """Fill `units` times 256 MiB of device memory in one go, and wait."""
        if not self._scratch:
            self._scratch_bytes = _UNIT_BYTES
            self._scratch = self._context.allocate(self._scratch_bytes)
        for _ in range(units):
            self._context.fill(self._scratch, self._scratch_bytes)
        self._context.synchronize()

    def close(self) -> None:
        """Stop recording."""
        for kind in self._kinds:
            self._cupti.activity_disable(kind)

    def _received(self, activities: list[Any]) -> None:
        for one in activities:
            kind = self._kinds.get(int(one.kind))
            if kind is not None:
                name = one.name if kind == "kernel" else ""
                self._records.append(Activity(name, kind, int(one.start), int(one.end), int(one.stream_id)))
