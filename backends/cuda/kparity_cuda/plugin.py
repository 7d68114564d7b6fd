"""What this plugin registers: one backend, and one kernel for each task under `kernels/`."""

from __future__ import annotations

from pathlib import Path

from kparity import Backend, Implementation, hookimpl, kernels_in
from kparity_cuda.backend import CudaBackend


@hookimpl
def register_backends() -> list[Backend]:
    """The CUDA C++ backend, unopened."""
    return [CudaBackend()]


@hookimpl
def register_implementations() -> list[Implementation]:
    """One implementation for each `kernels/<category>/<task>.py`."""
    return kernels_in("kparity_cuda.kernels", str(Path(__file__).parent / "kernels"), "cuda", "cuda")
