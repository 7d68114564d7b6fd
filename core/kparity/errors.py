"""Every error that kparity raises on purpose.

`KparityError` means: show the message to the user, no traceback needed. Each message names the value, what was
expected and the remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KparityError(Exception):
    """Base of all errors whose message is meant for the user."""


class SpecError(KparityError):
    """A kernel spec contradicts itself; the message starts with the spec's name."""


class UsageError(KparityError):
    """An argument is malformed, or a combination of arguments makes no sense."""


class UnknownNameError(UsageError):
    """A name that nobody registered.

    Attributes:
        kind: what was looked up (`task`, `backend`, `dtype`, ...).
        name: the name that was not found.
        nearest: registered names that resemble it, best first.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        everything = sorted(known)
        self.kind = kind
        self.name = name
        self.nearest = difflib.get_close_matches(name, everything, n=3, cutoff=0.5) or [
            candidate for candidate in everything if name and name in candidate
        ]
        if self.nearest:
            hint = f"Did you mean {' or '.join(repr(near) for near in self.nearest[:3])}?"
        elif everything:
            hint = f"Known: {', '.join(everything)}."
        else:
            hint = f"No {kind} is registered: see 'kparity doctor'."
        super().__init__(f"unknown {kind} {name!r}. {hint}")


class NothingEvaluatedError(KparityError):
    """A run selected no evaluation, or none of the selected ones could be attempted: never a success."""


class PluginError(KparityError):
    """A plugin broke its contract.

    Attributes:
        plugin: the distribution or module that is at fault.
    """

    def __init__(self, plugin: str, fault: str) -> None:
        self.plugin = plugin
        self.fault = fault
        super().__init__(f"plugin {plugin!r}: {fault}")


class Unavailable(KparityError):
    """A backend or device cannot be opened here.

    Attributes:
        reason: why not, in one sentence.
        remedy: what the user can do about it; empty when nothing can be done.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{reason}: {remedy}" if remedy else reason)


class Unsupported(KparityError):
    """A device is fine but cannot run this one case; the message is the reason."""


class CandidateError(KparityError):
    """Source text that cannot be turned into a callable.

    Attributes:
        line: 1-based line of the fault in the source, or None where it has no line.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        self.line = line
        super().__init__(f"line {line}: {message}" if line is not None else message)


class WorkerError(KparityError):
    """A worker process died, hung or broke the protocol; the message says how."""


class BacklogFull(KparityError):
    """An evaluator has as many candidates waiting as it takes."""
