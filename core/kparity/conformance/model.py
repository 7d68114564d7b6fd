"""What a conformance run gives: findings, the certificate made of them, and the list of failures that are known."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from kparity.backend import DeviceInfo
from kparity.environment import HostInfo
from kparity.errors import UnknownNameError, UsageError

CONFORMANCE_VERSION = 3
"""Grows whenever a promise is added or becomes stricter; a list of known failures is for one version."""

SCHEMA_VERSION = 1

Outcome = Literal["holds", "broken", "not checked"]
OUTCOMES: tuple[Outcome, ...] = ("holds", "broken", "not checked")


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one promise came out.

    Attributes:
        promise: its id, e.g. `transfer.round_trip`.
        text: the promise in one line.
        outcome: `not checked` is no success: `detail` says what it would have taken.
        detail: what broke, or why it could not be checked; empty where the promise holds.
        known: the reason that the list of known failures gives for this promise.
        seconds: how long it took.
    """

    promise: str
    text: str
    outcome: Outcome
    detail: str = ""
    known: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.outcome != "holds" and not self.detail:
            raise UsageError(f"promise {self.promise!r} is {self.outcome!r} without a word of explanation")

    @property
    def verdict(self) -> str:
        """The outcome in the light of the known failures: `known` where a listed promise is broken, `stale` where a
        listed one holds, else the outcome."""
        if not self.known or self.outcome == "not checked":
            return self.outcome
        return "known" if self.outcome == "broken" else "stale"


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for one backend on one device.

    Attributes:
        schema: of this record.
        conformance: version of the suite.
        kparity, api: versions of kparity and of its backend API.
        backend: its name.
        plugin: distribution or module that registered it, with its version where that is known.
        device: None where it could not be opened.
        taken_at: UTC, ISO 8601.
        findings: one for each promise, in the suite's order.
    """

    schema: int = SCHEMA_VERSION
    conformance: int = CONFORMANCE_VERSION
    kparity: str
    api: str
    backend: str
    plugin: str = ""
    device: DeviceInfo | None
    host: HostInfo
    taken_at: str
    findings: tuple[Finding, ...]

    def count(self, verdict: str) -> int:
        """How many findings have this verdict."""
        return sum(finding.verdict == verdict for finding in self.findings)

    @property
    def status(self) -> int:
        """Exit status: 1 where a promise is broken or a known failure is stale, 2 where nothing was checked, else 0."""
        if self.count("broken") or self.count("stale"):
            return 1
        return 0 if self.count("holds") else 2


class KnownFailures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Promises that are known to be broken: a reason for each, valid for one version of the suite."""

    conformance: int
    known: dict[str, str]


def read_known(path: Path, promises: Iterable[str]) -> dict[str, str]:
    """The reasons by promise, from a JSON file `{"conformance": 3, "known": {"transfer.round_trip": "why"}}`.

    Raises:
        UsageError: the file cannot be read, is for another version of the suite, or lacks a reason.
        UnknownNameError: it names a promise that does not exist.
    """
    try:
        listed = msgspec.json.decode(path.read_bytes(), type=KnownFailures)
    except (OSError, msgspec.DecodeError) as error:
        example = f'{{"conformance": {CONFORMANCE_VERSION}, "known": {{"PROMISE": "reason"}}}}'
        raise UsageError(f"{str(path)!r} is no list of known failures ({error}); expected {example}") from error
    if listed.conformance != CONFORMANCE_VERSION:
        raise UsageError(
            f"{str(path)!r} was written for conformance {listed.conformance}, this is {CONFORMANCE_VERSION}: look at "
            "each entry again, then change the number"
        )
    existing = list(promises)
    for name, reason in listed.known.items():
        if name not in existing:
            raise UnknownNameError("promise", name, existing)
        if not reason.strip():
            raise UsageError(f"{str(path)!r}: {name!r} is listed without a reason")
    return dict(listed.known)
