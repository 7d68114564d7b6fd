"""The optional capabilities of `kparity.Backend`, for any backend whose device is an NVIDIA GPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from kparity import Backend, DeviceClock, DeviceInfo, Telemetry
from kparity_nvidia.device import NvidiaDevice


class OnNvidia(Backend):
    """Delegates to the attached GPU; where none is attached, everything is as in `Backend`.

    Attributes:
        on_default_stream: False where the framework launches on streams that the legacy default stream does not wait
            for; CUDA events cannot bound its work then, and without CUPTI it has no device clock.
    """

    on_default_stream: ClassVar[bool] = True
    _nvidia: NvidiaDevice | None = None

    def attach(self, info: DeviceInfo) -> DeviceInfo:
        """Attach NVIDIA GPU `info.index`; the framework must have opened it. Returns `info` with identity and notes.

        Where the CUDA driver's library cannot be loaded, nothing is attached and a note says so.
        """
        try:
            self._nvidia = NvidiaDevice(info.index, events=self.on_default_stream)
        except (OSError, RuntimeError) as error:
            return msgspec.structs.replace(info, notes=(*info.notes, f"no device clock: {error}"))
        override = os.environ.get("NVIDIA_TF32_OVERRIDE")
        return msgspec.structs.replace(
            info,
            uuid=self._nvidia.uuid,
            notes=(*info.notes, *self._nvidia.missing),
            capabilities=self._nvidia.capabilities,
            versions={**({"driver": self._nvidia.driver} if self._nvidia.driver else {}), **info.versions},
            modes={**info.modes, **({"NVIDIA_TF32_OVERRIDE": override} if override is not None else {})},
        )

    def synchronize(self, outputs: Sequence[Any]) -> None:
        """Wait for the outputs and then for the whole device, whatever stream it works on."""
        if self._nvidia is not None:
            self._nvidia.returned()
        self.wait(outputs)
        if self._nvidia is not None:
            self._nvidia.synchronize()

    def flush_cache(self) -> bool:
        """Evict L2, persisting lines included."""
        return self._nvidia.flush_cache() if self._nvidia is not None else super().flush_cache()

    def clock(self) -> DeviceClock | None:
        """The CUPTI clock, or CUDA events; see `NvidiaDevice.clock`."""
        return self._nvidia.clock() if self._nvidia is not None else super().clock()

    def telemetry(self) -> Telemetry | None:
        """What NVML reads, where nvidia-ml-py is installed."""
        return self._nvidia.telemetry() if self._nvidia is not None else super().telemetry()
