"""What this package registers."""

from __future__ import annotations

from kparity import Implementation, KernelSpec, hookimpl

from kparity_extra_tasks.tasks import moving_average

requires_api = "1.0"


@hookimpl
def register_tasks() -> list[KernelSpec]:
    """One task."""
    return [moving_average]


@hookimpl
def register_implementations() -> list[Implementation]:
    """One kernel, for a backend that somebody else owns."""
    return [Implementation(moving_average.name, "cpu_ref", "kparity_extra_tasks.kernels:moving_average", "shifted")]
