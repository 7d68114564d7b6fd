"""Entry point of the CPU backend: hooks only declare."""

from __future__ import annotations

from pathlib import Path

from kparity import Backend, Implementation, hookimpl, kernels_in
from kparity_cpu_ref.backend import CpuRefBackend


@hookimpl
def register_backends() -> list[Backend]:
    """The CPU, unopened."""
    return [CpuRefBackend()]


@hookimpl
def register_implementations() -> list[Implementation]:
    """One Numba kernel for each file below `kernels`; the references need no registration."""
    return kernels_in("kparity_cpu_ref.kernels", str(Path(__file__).parent / "kernels"), "cpu_ref", "numba")
