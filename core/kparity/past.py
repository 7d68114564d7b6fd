"""What an interrupted run had done, under which circumstances, and in what these differ now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kparity.backend import DeviceInfo
from kparity.case import Case
from kparity.environment import GitState, RunInfo
from kparity.errors import Unavailable, UsageError
from kparity.options import Options
from kparity.plan import Selection
from kparity.records import DeviceRef, ImplementationInfo
from kparity.sandbox.limits import Limits
from kparity.store import find_runs, identity, open_run
from kparity.timing import TimingPolicy


class Past:
    """A run folder that is to be taken up again.

    Args:
        path: the folder.
        of_cluster: whether it is a station's part of a run on a cluster.

    Attributes:
        path: the folder.
        info: its `run.json`.
        heads: of each evaluation, its last record's.
        finished: identities of the evaluations that have a verdict; those whose worker was lost are tried again.

    Raises:
        KparityError: no run folder, or a damaged one.
        UsageError: a run that cannot be taken up.
    """

    def __init__(self, path: Path, *, of_cluster: bool = False) -> None:
        if not of_cluster and find_runs(path) != [path]:
            raise UsageError(
                f"{str(path)!r} holds several runs; take up one of them, or all of a run on a cluster with "
                "--executor ray"
            )
        reader = open_run(path)
        self.path, self.info = path, reader.info
        last = {head.identity: head for head in reader.heads()}
        self.heads = tuple(last.values())
        self.finished = {identity for identity, head in last.items() if not head.worker_lost}
        if ("executor" in self.info.options) != of_cluster:
            raise UsageError(
                f"{str(path)!r} was taken on one machine; resume it without --executor"
                if of_cluster
                else f"{str(path)!r} is a part of a run on a cluster: resume the folder that it stands in, with "
                "--executor ray"
            )
        if "candidate" in self.info.options:
            raise UsageError(
                f"{str(path)!r} holds the evaluation of a source file, which it does not contain; "
                "run 'kparity verify' again"
            )

    def selection(self) -> Selection:
        """What was selected."""
        return msgspec.convert(_part(self.info, Selection.__struct_fields__), Selection)

    def options(self, jobs: int | None = None) -> Options:
        """How it was carried out; the seed is the run's."""
        timing, limits = (_below(self.info, prefix) for prefix in ("timing.", "limits."))
        chosen = _part(self.info, Options.__struct_fields__)
        if jobs is not None:
            chosen["jobs"] = jobs
        return msgspec.structs.replace(
            msgspec.convert(chosen, Options),
            seed=self.info.seed,
            timing=msgspec.convert(timing, TimingPolicy) if timing else None,
            limits=msgspec.convert(limits, Limits),
        )

    def device_of(self, backend: str) -> DeviceInfo | None:
        """The device that the run had for a backend."""
        return next((device for device in self.info.devices if device.backend == backend), None)

    def has(self, implementation: ImplementationInfo, case: Case, device: DeviceInfo) -> bool:
        """Whether that evaluation is finished."""
        one = implementation
        where = DeviceRef.of(device)
        key = identity(case.task, case.key, one.backend, one.name, one.source_digest, where, self.info.seed)
        return key in self.finished

    def software_differences(
        self, version: str, plugins: Mapping[str, str], sources: Mapping[str, GitState]
    ) -> list[str]:
        """What differs in kparity, in plugins and in the sources that run from a repository."""
        found = []
        if version != self.info.kparity:
            found.append(f"kparity was {self.info.kparity}, is {version}")
        found.extend(_changes(self.info.plugins, plugins, "plugin "))
        if self.info.sources:
            before = {name: _state(state) for name, state in self.info.sources.items()}
            found.extend(_changes(before, {name: _state(state) for name, state in sources.items()}, "sources of "))
        return found


def device_differences(
    info: RunInfo, devices: Sequence[DeviceInfo], missing: Mapping[str, Unavailable | None]
) -> list[str]:
    """What differs between the devices of a run and those that were opened to go on with it."""
    before = {device.backend: device for device in info.devices}
    found = [f"{name}: was available, is not: {why}" for name, why in missing.items() if why and name in before]
    for device in devices:
        old = before.get(device.backend)
        if old is None:
            found.append(f"{device.backend}: was not available, is {device.label}")
            continue
        if DeviceRef.of(old) != DeviceRef.of(device):
            found.append(f"{device.backend}: was {_named(old)}, is {_named(device)}")
        found.extend(version_differences(old, device))
    return found


def version_differences(before: DeviceInfo, after: DeviceInfo) -> list[str]:
    """What differs in versions and numerics modes between two devices of one backend."""
    modes = _changes(before.modes, after.modes, f"{after.backend}: mode ") if before.modes else []
    return [*_changes(before.versions, after.versions, f"{after.backend}: "), *modes]


def refuse(path: Path, differences: Sequence[str], force: bool) -> None:
    """Refuse to go on in an environment that differs, unless told to.

    Raises:
        UsageError: with every difference.
    """
    if differences and not force:
        listed = "".join(f"\n  {difference}" for difference in differences)
        raise UsageError(
            f"{str(path)!r} was taken in another environment:{listed}\n"
            "start a new run and combine both with 'kparity matrix', or resume with --force, which is recorded"
        )


def _part(info: RunInfo, names: Sequence[str]) -> dict[str, Any]:
    return {name: info.options[name] for name in names if name in info.options}


def _below(info: RunInfo, prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in info.options.items() if name.startswith(prefix)}


def _changes(before: Mapping[str, str], after: Mapping[str, str], what: str) -> list[str]:
    return [
        f"{what}{name} was {before.get(name, 'absent')}, is {after.get(name, 'absent')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _state(state: GitState) -> str:
    return f"{state.commit[:12]}{' with changes' if state.dirty else ''}"


def _named(device: DeviceInfo) -> str:
    return f"{device.label} ({device.uuid or device.kind})"
