"""What NVML says of a GPU at one moment."""

from __future__ import annotations

from typing import Any

from kparity import Telemetry

_REASONS = {
    0x2: "application clocks setting",
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
    0x100: "display clocks setting",
}  # nvmlClocksThrottleReasons; 0x1 is merely an idle GPU


class Nvml:
    """Reads one GPU's clocks, power, temperature and throttle reasons.

    Attributes:
        driver: version of the driver.

    Raises:
        ImportError: nvidia-ml-py is not installed.
        Exception: NVML does not know the GPU.
    """

    def __init__(self, uuid: str) -> None:
        import pynvml

        self._nvml: Any = pynvml
        pynvml.nvmlInit()
        self.driver = str(pynvml.nvmlSystemGetDriverVersion())
        self._handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)

    def read(self) -> Telemetry:
        """The values at this moment."""
        nvml, handle = self._nvml, self._handle
        values = {
            "sm_clock_mhz": float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            "memory_clock_mhz": float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
            "power_w": nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
            "memory_used_mb": nvml.nvmlDeviceGetMemoryInfo(handle).used / 1e6,
            "temperature_c": float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        }
        mask = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
        return Telemetry(values, tuple(text for bit, text in _REASONS.items() if mask & bit))
