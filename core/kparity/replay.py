"""Replay bundles: one JSON file with all that is needed to see the same failure on another machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from kparity.backend import DeviceInfo
from kparity.environment import RunInfo
from kparity.errors import KparityError, UsageError
from kparity.records import Evaluation, Verdict

WORTH_REPLAYING = ("failed", "error", "inconclusive")
"""Statuses for which a run writes bundles."""

SCHEMA = 1


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """What was evaluated, on what, where, and how it came out.

    Attributes:
        evaluation: the record, with task, case, seed and verdict.
        run: the environment that it was taken in.
        source: a candidate's text; empty for a registered implementation, which is found by its label.
        entry_point: the function that the text defines.
    """

    format: Literal["kparity-replay"] = "kparity-replay"
    schema: int = SCHEMA
    evaluation: Evaluation
    run: RunInfo
    source: str = ""
    entry_point: str = ""

    def __post_init__(self) -> None:
        if self.evaluation.implementation.source_digest and not self.source:
            raise UsageError("a bundle of a candidate needs its source text")

    @property
    def file_name(self) -> str:
        """The same for the same implementation and case."""
        one = self.evaluation
        identity = f"{one.case.key} {one.seed} {one.implementation.source_digest}"
        key = hashlib.sha256(identity.encode()).hexdigest()[:8]
        return f"{one.task.replace('/', '.')}-{one.implementation.label.replace(':', '.')}-{key}.json"

    def write(self, folder: Path) -> Path:
        """Write the bundle into a folder, which is made if need be; returns the file.

        Raises:
            UsageError: that is not possible.
        """
        path = folder / self.file_name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
        except OSError as error:
            raise UsageError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error
        return path

    @classmethod
    def read(cls, path: Path) -> Bundle:
        """The bundle in a file.

        Raises:
            KparityError: it cannot be read, is no bundle, or is one of a later version.
        """
        try:
            content = path.read_bytes()
            head = msgspec.json.decode(content, type=_Head)
            if head.format != "kparity-replay" or head.schema > SCHEMA:
                raise KparityError(
                    f"{str(path)!r} holds {head.format or 'something'} of version {head.schema}; expected a "
                    f"kparity-replay of version {SCHEMA}, written with 'kparity verify --replays DIR'"
                )
            return msgspec.json.decode(content, type=cls)
        except OSError as error:
            raise KparityError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise KparityError(f"{str(path)!r} is no replay bundle: {error}") from error


class _Head(msgspec.Struct):
    format: str = ""
    schema: int = 0


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How a replay came out.

    Attributes:
        reproduced: the same status, and where a check failed, the same check failed first.
        before, now: the verdicts.
        differences: in what the environments differ, inputs that came out otherwise included.
    """

    reproduced: bool
    before: Verdict
    now: Verdict
    differences: tuple[str, ...]

    @property
    def message(self) -> str:
        """The finding in one line."""
        if self.reproduced:
            return f"reproduced: {_told(self.now)}"
        return f"not reproduced: was {_told(self.before)}; now {_told(self.now)}"


def outcome(bundle: Bundle, evaluation: Evaluation, run: RunInfo) -> Replayed:
    """Hold what came out of a replay against its bundle."""
    before, now = bundle.evaluation, evaluation
    return Replayed(
        reproduced=before.status == now.status and _first_failure(before.verdict) == _first_failure(now.verdict),
        before=before.verdict,
        now=now.verdict,
        differences=tuple(_differences(bundle, evaluation, run)),
    )


def _differences(bundle: Bundle, evaluation: Evaluation, run: RunInfo) -> list[str]:
    before, found = bundle.run, []
    pairs = [("kparity", before.kparity, run.kparity), ("python", before.host.python, run.host.python)]
    pairs += [("processor", before.host.cpu, run.host.cpu)]
    backend = bundle.evaluation.implementation.backend
    old, new = _device(before.devices, backend), _device(run.devices, backend)
    pairs += [("device", old.label if old else "none", new.label if new else "none")]
    versions = (old.versions if old else {}, new.versions if new else {})
    pairs += [(name, versions[0].get(name, "absent"), versions[1].get(name, "absent")) for name in versions[0]]
    found = [f"{name} was {was}, is {now}" for name, was, now in pairs if was != now]
    digests = (bundle.evaluation.inputs_digest, evaluation.inputs_digest)
    if all(digests) and digests[0] != digests[1]:
        found.append(f"the inputs differ: digest was {digests[0]}, is {digests[1]}; the task's declaration has changed")
    return found


def _device(devices: Sequence[DeviceInfo], backend: str) -> DeviceInfo | None:
    return next((device for device in devices if device.backend == backend), None)


def _first_failure(verdict: Verdict) -> str:
    return next((check.name for check in verdict.checks if check.status != "passed"), "")


def _told(verdict: Verdict) -> str:
    return f"{verdict.status} ({verdict.message})" if verdict.message else verdict.status
