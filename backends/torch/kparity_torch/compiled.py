"""Targets of the `compile` implementations: `kparity_torch.compiled:<category>__<task>`.

Each is the eager function in a wrapper that asks `TorchBackend.compile` for `torch.compile`; nothing is written twice.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ToCompile:
    """An eager function that is to run under `torch.compile`."""

    function: Callable[..., Any]

    def __call__(self, *arguments: Any, **attributes: Any) -> Any:
        """The eager function itself."""
        return self.function(*arguments, **attributes)


def __getattr__(name: str) -> ToCompile:
    category, _, task = name.partition("__")
    try:
        module = importlib.import_module(f"kparity_torch.kernels.{category}.{task}" if category and task else "")
    except (ModuleNotFoundError, ValueError) as error:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}: expected <category>__<task>") from error
    return ToCompile(getattr(module, task))
