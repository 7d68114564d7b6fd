"""The hooks that a plugin may implement. Hooks declare, classes act: none of them is called on a hot path.

A plugin is a module (or object) named in the entry-point group `kparity`:

    [project.entry-points.kparity]
    my_accelerator = "my_package.plugin"
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from kparity.backend import Backend
    from kparity.loading import Implementation
    from kparity.records import Evaluation
    from kparity.report import Reporter
    from kparity.spec import KernelSpec
    from kparity.verify import Check

GROUP = "kparity"

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)
"""Marks a function of a plugin as the implementation of the hook of the same name."""


@hookspec
def register_backends() -> Iterable[Backend]:  # type: ignore[empty-body]
    """Backends, unopened. Import nothing heavy here: `Backend.open` does that."""


@hookspec
def register_tasks() -> Iterable[KernelSpec]:  # type: ignore[empty-body]
    """Kernel specs for the catalogue."""


@hookspec
def register_implementations() -> Iterable[Implementation]:  # type: ignore[empty-body]
    """Realizations of tasks on backends, by target; any pair of task and backend, whoever owns them."""


@hookspec
def register_checks() -> Iterable[Check]:  # type: ignore[empty-body]
    """Extra checks, ANDed with the mandatory ones: none can replace those."""


@hookspec
def register_reporters() -> Iterable[Reporter]:  # type: ignore[empty-body]
    """Named renderers of evaluations."""


@hookspec
def evaluation_finished(evaluation: Evaluation) -> None:
    """Called after each evaluation, in the order in which they finish: progress, upload, a regression gate."""
