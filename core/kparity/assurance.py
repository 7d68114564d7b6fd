"""How much a verdict can be relied on: what confined a worker, and which detectors watched what ran in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import msgspec

Level = Literal["high", "medium", "low"]
Detector = Literal[
    "process",
    "unchanged",
    "repeated",
    "sampled",
    "varied",
    "second_clock",
    "overlap",
    "late",
    "census",
    "integrity",
    "modes",
    "poison",
    "launches",
]
DETECTORS: tuple[Detector, ...] = get_args(Detector)
"""What can be in force while an implementation is evaluated; `docs/trust.md` says what each is good for."""

PROTECTIONS = {
    "user": "another user than the judge's, or the same one without any privilege outside a namespace of its own",
    "no_privileges": "no capability is left, and no program that it starts gains one",
    "process_namespace": "it sees and signals its own processes only, and they all end with it",
    "process_view": "/proc shows those processes only",
    "file_system": "a mount namespace in which everything but the private folders is read-only",
    "network": "a network namespace without any network",
    "ipc": "a namespace of its own for System V and POSIX message queues, semaphores and shared memory",
    "landlock": "writing only below the private folders, no tracing or signalling of what is outside",
    "memory": "private memory is bounded",
    "file_size": "the size of a file is bounded",
    "folder_size": "the private folders are a bounded file system in memory",
    "processes": "processes and threads are bounded",
    "open_files": "open files are bounded",
    "core_dumps": "no core dumps",
    "judge_memory": "the judge cannot be traced or read by processes of its own user either",
    "environment": "home, temporary and cache folders of its own, environment variables from an allow-list",
}
"""What can stand between a candidate's worker and the rest of the machine, and what each of them means."""


class Assurance(msgspec.Struct, frozen=True, omit_defaults=True):
    """How well the judge was protected from what it judged; the defaults say: not at all.

    Attributes:
        started: `fork` from a process that had imported the framework, `spawn` from one that had not; empty inline.
        trusted: a registered implementation, which keeps its user, environment, caches and network.
        protections: names of `PROTECTIONS` that were in force.
        missing: the others, each with the reason; empty for what is trusted.
    """

    started: Literal["", "fork", "spawn"] = ""
    trusted: bool = True
    protections: tuple[str, ...] = ()
    missing: dict[str, str] = {}


NOT_APPLIED = "not applied"
"""Why a detector is lacking that had no occasion: those of times, where none were taken."""
_JUDGED: frozenset[Detector] = frozenset({"process", "unchanged", "repeated", "varied"})
_AGAIN: frozenset[Detector] = frozenset({"repeated", "varied"})
_TIMED: frozenset[Detector] = frozenset({"sampled", "second_clock"})
_SEEN: frozenset[Detector] = frozenset({"overlap", "late", "census", "integrity", "modes"})


class Detection(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which protections were in force for one evaluation.

    Attributes:
        in_force: each did its work and could tell.
        lacking: the others, with the reason where there is one; none lowers the bar, each lowers the level.
        timed: times were taken, so that the protections of times count for the level.
        called_again: what passed was called again on other inputs, so that these calls count for the level; false for
            the earlier ones of several draws of one case.
    """

    in_force: tuple[Detector, ...] = ()
    lacking: dict[Detector, str] = {}
    timed: bool = False
    called_again: bool = True

    @classmethod
    def of(
        cls,
        in_force: Iterable[Detector],
        lacking: Mapping[Detector, str],
        *,
        timed: bool,
        called_again: bool = True,
    ) -> Detection:
        """Sorted; what is neither in force nor explained is lacking without a reason."""
        held = frozenset(in_force) - frozenset(lacking)
        rest = {one: lacking.get(one, NOT_APPLIED) for one in DETECTORS if one not in held}
        return cls(tuple(one for one in DETECTORS if one in held), rest, timed, called_again)

    @property
    def level(self) -> Level:
        """`medium` where the judge varied the inputs and judged repeated calls (and timed ones, where there are times)
        in a worker; `high` where the detectors, poisoned memory and, for times, the list of launches add to that.
        """
        held = frozenset(self.in_force)
        wanted = _JUDGED if self.called_again else _JUDGED - _AGAIN
        if self.timed:
            wanted |= _TIMED
        if not wanted <= held:
            return "low"
        more = _SEEN | {"poison"} | ({"launches"} if self.timed else set())
        return "high" if more <= held else "medium"
