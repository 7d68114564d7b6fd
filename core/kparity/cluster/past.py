"""What an interrupted run on a cluster had done: a folder with a run folder for each station."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from kparity.backend import DeviceInfo
from kparity.case import Case
from kparity.cluster.dealing import CaseId
from kparity.environment import GitState
from kparity.errors import UsageError
from kparity.options import Options
from kparity.past import Past, version_differences
from kparity.plan import Selection
from kparity.store import find_runs

Kind = tuple[tuple[str, str, str], ...]
"""What stations that share cases have in common: backend, name and kind of each device, sorted."""


def kind_of(devices: Iterable[DeviceInfo]) -> Kind:
    """The kind of a station with these devices."""
    return tuple(sorted((one.backend, one.name, one.kind) for one in devices))


class ClusterPast:
    """A folder of a run on a cluster that is to be taken up again.

    Attributes:
        path: the folder.
        parts: the stations' run folders.
        finished: how many evaluations have a verdict.

    Raises:
        KparityError: no run folder, or a damaged one.
        UsageError: it holds no run on a cluster, or parts of several.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts = [Past(part, of_cluster=True) for part in find_runs(path)]
        runs = {(part.info.seed, msgspec.json.encode(part.options())) for part in self.parts}
        if len(runs) > 1:
            raise UsageError(
                f"{str(path)!r} holds parts of several runs, with different seeds or options; resume each by itself"
            )
        self.finished = sum(len(part.finished) for part in self.parts)
        self._done: dict[tuple[Kind, CaseId], set[str]] = {}
        for part in self.parts:
            kind = kind_of(part.info.devices)
            for head in part.heads:
                if not head.worker_lost:
                    self._done.setdefault((kind, (head.task, head.case)), set()).add(head.label)

    def selection(self) -> Selection:
        """What was selected; its backends are those that any station served."""
        backends = dict.fromkeys(name for part in self.parts for name in part.selection().backends)
        return msgspec.structs.replace(self.parts[0].selection(), backends=tuple(backends))

    def options(self, jobs: int | None = None) -> Options:
        """How it was carried out; the seed is the run's."""
        return self.parts[0].options(jobs)

    def has(self, kind: Kind, case: CaseId, labels: Iterable[str]) -> bool:
        """Whether that case is finished, by every one of these line-ups, on that kind of hardware."""
        return self._done.get((kind, case), set()).issuperset(labels)

    def unfinished(self, kind: Kind, work: Iterable[tuple[str, Case]]) -> list[tuple[str, Case]]:
        """What is left of a station's work. All line-ups of a case are evaluated together."""
        labels: dict[CaseId, list[str]] = {}
        for label, case in work:
            labels.setdefault((case.task, case.key), []).append(label)
        done = {case for case, theirs in labels.items() if self.has(kind, case, theirs)}
        return [(label, case) for label, case in work if (case.task, case.key) not in done]

    def software_differences(
        self, version: str, plugins: Mapping[str, str], sources: Mapping[str, GitState]
    ) -> list[str]:
        """See `Past.software_differences`."""
        found = (one for part in self.parts for one in part.software_differences(version, plugins, sources))
        return list(dict.fromkeys(found))

    def hardware_differences(self, stations: Mapping[str, Sequence[DeviceInfo]]) -> list[str]:
        """Kinds of hardware that come or go, and versions that differ on the same kind.

        Args:
            stations: the devices of each station now, by its name.
        """
        now = {kind_of(devices): devices for devices in stations.values()}
        before = {kind_of(part.info.devices): part.info.devices for part in self.parts}
        found = [f"{_named(kind)} took part, and does not now" for kind in before if kind not in now]
        found += [f"{_named(kind)} takes part now, and did not" for kind in now if kind not in before]
        for kind in [kind for kind in before if kind in now]:
            known = {device.backend: device for device in before[kind]}
            found += [text for device in now[kind] for text in version_differences(known[device.backend], device)]
        return found


def _named(kind: Kind) -> str:
    names = dict.fromkeys(name for _, name, _ in kind)
    return f"{', '.join(names)} ({', '.join(backend for backend, _, _ in kind)})"
