"""The toy plugin as a stranger's package would have it: a module that an entry point names."""

from __future__ import annotations

from toy import ToyBackend, implementation, scale, split

from kparity import Backend, Implementation, KernelSpec, hookimpl


@hookimpl
def register_backends() -> list[Backend]:
    return [ToyBackend()]


@hookimpl
def register_tasks() -> list[KernelSpec]:
    return [scale, split]


@hookimpl
def register_implementations() -> list[Implementation]:
    return [
        *(implementation(name) for name in ("good", "slow", "fails_on_seven")),
        implementation("split", task="toy/split", name="good"),
    ]
