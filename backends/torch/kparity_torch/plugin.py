"""Entry point of the PyTorch backend: hooks only declare."""

from __future__ import annotations

from pathlib import Path

from kparity import Backend, Implementation, hookimpl, kernels_in
from kparity_torch.backend import TorchBackend


@hookimpl
def register_backends() -> list[Backend]:
    """PyTorch, unopened."""
    return [TorchBackend()]


@hookimpl
def register_implementations() -> list[Implementation]:
    """Two for each file below `kernels`: `eager`, the function as it stands, and `compile`, under `torch.compile`."""
    eager = kernels_in("kparity_torch.kernels", str(Path(__file__).parent / "kernels"), "torch", "eager")
    compiled = [
        Implementation(
            one.task, "torch", f"kparity_torch.compiled:{one.task.replace('/', '__')}", "compile", costly=True
        )
        for one in eager
    ]
    return [*eager, *compiled]
