"""Entry point of the JAX backend: two realizations, `xla` and `pallas`, found by listing their folders."""

from __future__ import annotations

from pathlib import Path

from kparity import Backend, Implementation, hookimpl, kernels_in
from kparity_jax.backend import JaxBackend

_HERE = Path(__file__).parent


@hookimpl
def register_backends() -> list[Backend]:
    """The one backend of this package, unopened."""
    return [JaxBackend()]


@hookimpl
def register_implementations() -> list[Implementation]:
    """Every kernel of `kernels` under the name `xla`, every kernel of `pallas` under the name `pallas`."""
    return [
        *kernels_in("kparity_jax.kernels", str(_HERE / "kernels"), "jax", "xla"),
        *kernels_in("kparity_jax.pallas", str(_HERE / "pallas"), "jax", "pallas"),
    ]
