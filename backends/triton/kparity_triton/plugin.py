"""Entry point: the Triton backend and its kernels."""

from __future__ import annotations

from pathlib import Path

from kparity import Backend, Implementation, hookimpl, kernels_in
from kparity_triton.backend import TritonBackend


@hookimpl
def register_backends() -> list[Backend]:
    """Triton, unopened."""
    return [TritonBackend()]


@hookimpl
def register_implementations() -> list[Implementation]:
    """Every kernel of this package, found by listing it."""
    return kernels_in("kparity_triton.kernels", str(Path(__file__).parent / "kernels"), "triton", "triton")
