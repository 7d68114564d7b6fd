"""A run: devices opened, and records written as they finish."""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

import kparity
from kparity.backend import DeviceInfo
from kparity.case import Case
from kparity.catalogue import Catalogue
from kparity.environment import OptionValue, RunInfo, Shard, now
from kparity.errors import NothingEvaluatedError, UsageError
from kparity.host import host_info
from kparity.lanes import Lane, calibrate_all, open_all, run_lanes
from kparity.options import Options
from kparity.plan import Selection, runs_by_default
from kparity.provenance import git_states
from kparity.records import Evaluation
from kparity.replay import WORTH_REPLAYING, Bundle
from kparity.sharding import assign, plan_digest
from kparity.store import RunFolder
from kparity.version import __version__

CANDIDATE_OPTION = "candidate"
BY_DEFAULT_OPTION = "perf_by_default"


class Run:
    """A prepared run: devices are open, nothing is evaluated yet. Iterate over it once.

    Attributes:
        info: the environment, as it is written to `run.json`.
        total: number of evaluations planned; of a resumed run, those that are left.
        planned: how many evaluations each line-up (`triton`, `torch:compile`, ...) will make.
        devices: the device of each line-up.
        finished: evaluations that stood in the folder already; 0 for a new run.
        path: the run folder; None where none is written.
        replays: folder for a replay bundle of each evaluation that does not pass; None, as at first, for none.
        losses: always empty; a run on a cluster tells here which stations it lost.
    """

    def __init__(
        self, catalogue: Catalogue, lanes: Sequence[Lane], info: RunInfo, options: Options, folder: RunFolder | None
    ) -> None:
        self.info = info
        self.total = sum(len(lane.work) for lane in lanes)
        self.planned = {lane.label: len(lane.work) for lane in lanes}
        self.devices: dict[str, DeviceInfo] = {lane.label: lane.device for lane in lanes if lane.device is not None}
        self.finished = 0
        self.path = folder.path if folder is not None else None
        self.replays: Path | None = None
        self.losses: dict[str, str] = {}
        self._catalogue = catalogue
        self._lanes = lanes
        self._options = options
        self._folder = folder

    def __iter__(self) -> Iterator[Evaluation]:
        checks = tuple(self._catalogue.checks.values())
        try:
            for evaluation in run_lanes(self._lanes, checks, self.info.seed, self._options):
                if self._folder is not None:
                    self._folder.append(evaluation)
                if self.replays is not None and evaluation.status in WORTH_REPLAYING:
                    self._bundle(evaluation).write(self.replays)
                self._catalogue.notify("evaluation_finished", evaluation=evaluation)
                yield evaluation
        finally:
            self.close()

    def work(self) -> list[tuple[str, Case]]:
        """What is planned: label of the line-up, and case."""
        return [(lane.label, case) for lane in self._lanes for _, _, case in lane.work]

    def restrict(self, keep: Callable[[DeviceInfo], bool]) -> None:
        """Leave out the line-ups whose device is not wanted."""
        for lane in self._lanes:
            if lane.device is None or not keep(lane.device):
                lane.close()
        self._lanes = [lane for lane in self._lanes if lane.device is not None and keep(lane.device)]
        self.planned = {lane.label: len(lane.work) for lane in self._lanes}
        self.total = sum(self.planned.values())
        self.devices = {lane.label: lane.device for lane in self._lanes if lane.device is not None}
        self.info = msgspec.structs.replace(self.info, devices=devices_of(self._lanes))

    def evaluate(self, cases: Container[tuple[str, str]]) -> Iterator[Evaluation]:
        """Evaluate the planned cases of these (task, key), with devices that are opened and closed for them.

        Other parts can be evaluated afterwards. Nothing is written, no plugin is told.

        Raises:
            Unavailable: a device cannot be opened any more.
        """
        lanes = [
            replace(lane, work=[one for one in lane.work if (one[2].task, one[2].key) in cases]) for lane in self._lanes
        ]
        lanes = [lane for lane in lanes if lane.work]
        for lane in self._lanes:
            lane.close()
        for lane in lanes:
            lane.runner = None
        open_all(lanes)
        for lane in lanes:
            if lane.unavailable is not None:
                raise lane.unavailable
        yield from run_lanes(lanes, tuple(self._catalogue.checks.values()), self.info.seed, self._options)

    def _bundle(self, evaluation: Evaluation) -> Bundle:
        work = [subject for lane in self._lanes for subject, _, _ in lane.work]
        subject = next(one for one in work if one.info == evaluation.implementation)
        return Bundle(evaluation=evaluation, run=self.info, source=subject.source, entry_point=subject.entry_point)

    def close(self) -> None:
        """End every worker and close the run folder."""
        for lane in self._lanes:
            lane.close()
        if self._folder is not None:
            self._folder.close()


def start_run(
    catalogue: Catalogue,
    lanes: list[Lane],
    selection: Selection,
    options: Options,
    *,
    out: str | os.PathLike[str] | None = None,
    by_default: bool = False,
    shard: Shard | None = None,
    candidate: str = "",
) -> Run:
    """Open the devices of planned lanes and prepare the run.

    Args:
        candidate: digest of the source text, where that is what runs.

    Raises:
        NothingEvaluatedError: no work, or no device for it.
        Unavailable: the only backend cannot be opened.
        UsageError: the folder holds a run already; a shard without a seed.
    """
    if not any(lane.work for lane in lanes):
        raise NothingEvaluatedError(f"nothing to evaluate: no case matches {described(selection)}")
    recorded = {**described(selection), **_flat(options)}
    if by_default:
        recorded[BY_DEFAULT_OPTION] = True
    if candidate:
        recorded[CANDIDATE_OPTION] = candidate
    if shard is not None:
        shard = keep_shard(lanes, shard, options.seed, recorded)
    folder = None if out is None else Path(out)
    if folder is not None:
        RunFolder.check_new(folder)
    open_all(lanes)
    calibrate_all(lanes)
    ready = with_work(lanes, keep_slow=not by_default and bool(selection.roles or selection.cases))
    missing = {lane.backend.name: lane.unavailable for lane in lanes if lane.unavailable is not None}
    if not ready:
        if len(missing) == 1 and len(lanes) == 1:
            raise next(iter(missing.values()))
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in missing.items())
        raise NothingEvaluatedError(f"nothing to evaluate: no device has a case to run{reasons}")
    info = RunInfo(
        kparity=__version__,
        started_at=now(),
        seed=secrets.randbits(48) if options.seed is None else options.seed,
        host=host_info(),
        devices=devices_of(ready),
        unavailable={name: str(reason) for name, reason in missing.items()},
        plugins=catalogue.plugins,
        clocks={lane.label: lane.clock for lane in ready if lane.clock is not None},
        ceilings={lane.label: lane.ceilings for lane in ready if lane.ceilings is not None},
        options=recorded,
        sources=git_states({"kparity": Path(kparity.__file__), **catalogue.files}),
        shard=shard,
        id=uuid.uuid4().hex,
    )
    return Run(catalogue, ready, info, options, None if folder is None else RunFolder.create(folder, info))


def keep_shard(lanes: Iterable[Lane], shard: Shard, seed: int | None, recorded: dict[str, OptionValue]) -> Shard:
    """Leave each lane the work of one shard; returns the shard with the digest of the whole plan.

    Raises:
        UsageError: no seed.
        NothingEvaluatedError: the shard is left without work.
    """
    if seed is None:
        raise UsageError(f"--shard {shard} without --seed: each shard would draw other inputs; give all the same seed")
    planned = [(lane.label, case) for lane in lanes for _, _, case in lane.work]
    parts = assign(planned, shard.count)
    relevant = {name: value for name, value in recorded.items() if name not in ("jobs", "timeout_s", "isolation")}
    for lane in lanes:
        lane.work = [item for item in lane.work if parts[item[2].task, item[2].key] == shard.index]
    if not any(lane.work for lane in lanes):
        raise NothingEvaluatedError(f"shard {shard} holds nothing: only {len(parts)} cases are planned")
    return msgspec.structs.replace(shard, plan=plan_digest(planned, seed, relevant))


def described(selection: Selection) -> dict[str, OptionValue]:
    """A selection as it stands in `run.json`: what was left open is left out."""
    chosen = msgspec.structs.asdict(selection)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in chosen.items() if value}


def _flat(options: Options) -> dict[str, OptionValue]:
    """Every option but the seed, which `run.json` has in a place of its own; those of a group as `group.option`."""
    flat: dict[str, OptionValue] = {}
    for name in options.__struct_fields__:
        value = getattr(options, name)
        if isinstance(value, msgspec.Struct):
            flat.update({f"{name}.{key}": _plain(one) for key, one in msgspec.structs.asdict(value).items()})
        elif name != "seed" and value is not None:
            flat[name] = value
    return flat


def _plain(value: OptionValue | tuple[str, ...]) -> OptionValue:
    return list(value) if isinstance(value, tuple) else value


def with_work(lanes: Iterable[Lane], *, keep_slow: bool) -> list[Lane]:
    """The opened lanes that have work, perf cases on slow devices left out unless `keep_slow`; closes the others."""
    ready = []
    for lane in lanes:
        if lane.device is None:
            continue
        if not keep_slow:
            lane.work = [item for item in lane.work if runs_by_default(item[2], lane.device)]
        if lane.work:
            ready.append(lane)
        else:
            lane.close()
    return ready


def devices_of(lanes: Iterable[Lane]) -> tuple[DeviceInfo, ...]:
    """The devices of opened lanes, one for each backend."""
    return tuple({lane.backend.name: lane.device for lane in lanes if lane.device is not None}.values())
