"""What this package registers. It is imported by every kparity command, so PyOpenCL is not imported here."""

from __future__ import annotations

from pathlib import Path

from kparity import Backend, Implementation, hookimpl, kernels_in

from kparity_opencl.backend import OpenCLBackend

requires_api = "1.1"


@hookimpl
def register_backends() -> list[Backend]:
    """The backend, unopened."""
    return [OpenCLBackend()]


@hookimpl
def register_implementations() -> list[Implementation]:
    """One kernel for each file `kernels/<category>/<task>.cl`."""
    return kernels_in("kparity_opencl.kernels", str(Path(__file__).parent / "kernels"), "opencl", "opencl", ".cl")
