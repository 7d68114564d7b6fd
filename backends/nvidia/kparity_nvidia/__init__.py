"""What every backend on an NVIDIA GPU shares: one clock, cache eviction, telemetry. No backend itself.

A backend adds `OnNvidia` to its bases and calls `attach` once its framework has opened the GPU. Everything here speaks
to the CUDA driver, CUPTI and NVML directly and so serves torch, Triton, CuPy and JAX alike, all of which work in the
device's primary context.
"""

from kparity_nvidia.device import NvidiaDevice
from kparity_nvidia.mixin import OnNvidia

__all__ = ["NvidiaDevice", "OnNvidia"]
