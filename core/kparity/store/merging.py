"""Several run folders as one: duplicates resolved, shards recognised, contradictions named. Nothing is written."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from kparity.environment import RunInfo
from kparity.errors import KparityError
from kparity.records import Evaluation
from kparity.store.folder import EVALUATIONS, INFO
from kparity.store.reading import Head, RunReader, open_run

_SHOWN = 5


class Note(NamedTuple):
    """What a user should know of how run folders were combined.

    Attributes:
        kind: `conflict` and `unreadable` may change conclusions; the others inform.
        message: one sentence that names the folders.
    """

    kind: Literal["conflict", "unreadable", "duplicate", "torn", "shards"]
    message: str


class Runs:
    """Several runs. Iterate for (run, evaluation) pairs, each evaluation once: its newest record.

    Attributes:
        runs: the readers, in the order listed.
        notes: what was found on combining them.
    """

    def __init__(self, runs: Sequence[RunReader], notes: Iterable[Note] = ()) -> None:
        self.runs = tuple(runs)
        kept, found = _resolve(self.runs)
        self._kept = kept
        self.notes = (*notes, *_torn(self.runs), *_shards(self.runs), *found)

    def __iter__(self) -> Iterator[tuple[RunReader, Evaluation]]:
        for run, places in zip(self.runs, self._kept, strict=True):
            for place, evaluation in run.numbered():
                if place in places:
                    yield run, evaluation

    def __len__(self) -> int:
        return sum(map(len, self._kept))


def read_runs(paths: Iterable[str | os.PathLike[str]], *, skip_unreadable: bool = False) -> Runs:
    """Open several run folders as one, or folders that hold run folders.

    Args:
        paths: the folders; one that is listed twice counts once.
        skip_unreadable: go on without folders that cannot be read, and note them.

    Raises:
        KparityError: no folder was given, none holds a run, or one cannot be read; all of those are named.
    """
    readers: dict[Path, RunReader] = {}
    notes: list[Note] = []
    faults: list[str] = []
    for path in paths:
        for folder in find_runs(path):
            where = folder.resolve()
            if where in readers:
                notes.append(Note("duplicate", f"{str(folder)!r} is listed twice and counted once"))
                continue
            try:
                reader = open_run(folder)
                reader.heads()
            except KparityError as error:
                faults.append(str(error))
            else:
                readers[where] = reader
    if faults and not skip_unreadable:
        raise KparityError("\n".join(faults))
    notes.extend(Note("unreadable", fault) for fault in faults)
    if not readers:
        raise KparityError("\n".join(["no run to read", *faults]))
    return Runs(list(readers.values()), notes)


def find_runs(path: str | os.PathLike[str]) -> list[Path]:
    """The run folders that a path stands for: itself or, where it holds no run, those right below it, by name."""
    folder = Path(path)
    if (folder / INFO).exists() or (folder / EVALUATIONS).exists():
        return [folder]
    return sorted(found.parent for found in folder.glob(f"*/{INFO}")) or [folder]


def host_key(info: RunInfo) -> str:
    """Identity of the machine that a run was taken on, as far as its record tells."""
    host = info.host
    return host.machine or f"{host.system} {host.cpu} {host.cores}"


def _resolve(runs: Sequence[RunReader]) -> tuple[list[set[int]], list[Note]]:
    """Which records of each run count, and notes about the others."""
    best: dict[tuple[bytes, str], tuple[int, int]] = {}
    seen_twice: dict[tuple[int, int], int] = defaultdict(int)
    conflicts: list[str] = []
    for number, run in enumerate(runs):
        heads = run.heads()
        for place in {head.identity: place for place, head in enumerate(heads)}.values():
            head = heads[place]
            key = (head.identity, host_key(run.info) if head.anonymous else "")
            known = best.get(key)
            if known is None:
                best[key] = (number, place)
                continue
            other = runs[known[0]].heads()[known[1]]
            seen_twice[known[0], number] += 1
            why = _contradiction(other, head)
            if why:
                conflicts.append(
                    f"{head.label} {head.task} {head.case}: {why} ({str(runs[known[0]].path)!r}, {str(run.path)!r})"
                )
            if head.started_at >= other.started_at:
                best[key] = (number, place)
    kept: list[set[int]] = [set() for _ in runs]
    for number, place in best.values():
        kept[number].add(place)
    notes = [
        Note(
            "duplicate",
            f"{count} evaluations stand in both {str(runs[one].path)!r} and {str(runs[other].path)!r}; "
            "the newest record of each counts",
        )
        for (one, other), count in seen_twice.items()
    ]
    notes.extend(Note("conflict", text) for text in conflicts[:_SHOWN])
    if len(conflicts) > _SHOWN:
        notes.append(Note("conflict", f"... and {len(conflicts) - _SHOWN} more contradictions"))
    return kept, notes


def _contradiction(one: Head, other: Head) -> str:
    """Why two records of one evaluation cannot both be right; empty where they can."""
    if one.inputs_digest and other.inputs_digest and one.inputs_digest != other.inputs_digest:
        return "the same seed gave different inputs, so their kparity versions differ in how inputs are drawn"
    if {one.status, other.status} == {"passed", "failed"}:
        return f"once {one.status}, then {other.status} on the same inputs"
    return ""


def _torn(runs: Sequence[RunReader]) -> list[Note]:
    return [
        Note("torn", f"the last line of {str(run.path / EVALUATIONS)!r} was cut off and is passed over")
        for run in runs
        if run.torn
    ]


def _shards(runs: Sequence[RunReader]) -> list[Note]:
    """Which shards belong together, which are there twice, which are missing."""
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for run in runs:
        if run.info.shard is not None:
            groups[run.info.shard.plan, run.info.shard.count].append(run.info.shard.index)
    notes = []
    for (_, count), found in groups.items():
        missing = sorted(set(range(1, count + 1)) - set(found))
        twice = sorted({index for index in found if found.count(index) > 1})
        text = f"{len(set(found))} of {count} shards of one run"
        if missing:
            text += f"; missing: {', '.join(f'{index}/{count}' for index in missing)}"
        if twice:
            text += f"; more than once: {', '.join(f'{index}/{count}' for index in twice)}"
        notes.append(Note("shards", text))
    if len(groups) > 1:
        notes.append(Note("shards", f"the shards belong to {len(groups)} different runs: seed, options or plan differ"))
    return notes
