"""Entry point of the bundled tasks: one spec in each `category/name.py`, under the name of its file."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from kparity import KernelSpec, hookimpl


@hookimpl
def register_tasks() -> Iterator[KernelSpec]:
    """Every spec of this package, found by listing it."""
    root = Path(__file__).parent
    for path in sorted(root.glob("*/*.py")):
        if path.stem != "__init__":
            module = importlib.import_module(f"{__package__}.{path.parent.name}.{path.stem}")
            yield getattr(module, path.stem)
