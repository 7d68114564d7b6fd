"""An interrupted run taken up again: what is finished stays, the rest is evaluated where it was."""

from __future__ import annotations

from pathlib import Path

import msgspec

import kparity
from kparity.backend import DeviceInfo
from kparity.catalogue import Catalogue
from kparity.environment import Resumption, now
from kparity.errors import NothingEvaluatedError, UsageError
from kparity.host import host_info
from kparity.lanes import Lane, calibrate_all, open_all
from kparity.options import Options
from kparity.past import Past, device_differences, refuse
from kparity.plan import Selection, runs_by_default
from kparity.provenance import git_states
from kparity.running import BY_DEFAULT_OPTION, Run, devices_of, keep_shard, with_work
from kparity.store import RunFolder
from kparity.version import __version__


def resume_run(
    catalogue: Catalogue, lanes: list[Lane], selection: Selection, options: Options, past: Past, *, force: bool
) -> Run:
    """Open the devices that still have work of an interrupted run, and prepare the rest of it.

    Raises:
        UsageError: the environment differs and `force` is not given; another process writes to the folder.
        NothingEvaluatedError: `force`, and no device could be opened.
    """
    info = past.info
    sources = git_states({"kparity": Path(kparity.__file__), **catalogue.files})
    differences = past.software_differences(__version__, catalogue.plugins, sources)
    if info.shard is not None:
        replanned = keep_shard(lanes, info.shard, info.seed, info.options)
        if replanned.plan != info.shard.plan:
            differences.append("the catalogue plans other evaluations than it did, so that shards no longer fit")
    refuse(past.path, differences, force)
    keep_slow = not info.options.get(BY_DEFAULT_OPTION) and bool(selection.roles or selection.cases)
    if not force:
        for lane in lanes:
            _keep_unfinished(lane, past.device_of(lane.backend.name), past, keep_slow)
    lanes = [lane for lane in lanes if lane.work]
    open_all(lanes)
    calibrate_all(lanes)
    found = device_differences(info, devices_of(lanes), {lane.backend.name: lane.unavailable for lane in lanes})
    try:
        refuse(past.path, found, force)
    except UsageError:
        for lane in lanes:
            lane.close()
        raise
    for lane in lanes:
        if lane.device is not None:
            _keep_unfinished(lane, lane.device, past, keep_slow)
    if lanes and not any(lane.device is not None for lane in lanes):
        raise NothingEvaluatedError("nothing to evaluate: no device could be opened; see 'kparity doctor'")
    ready = with_work(lanes, keep_slow=True)
    again = Resumption(
        started_at=now(),
        kparity=__version__,
        host=host_info(),
        devices=devices_of(ready),
        sources=sources,
        forced=(*differences, *found),
    )
    info = msgspec.structs.replace(
        info,
        resumed=(*info.resumed, again),
        clocks={**info.clocks, **{lane.label: lane.clock for lane in ready if lane.clock is not None}},
        ceilings={**info.ceilings, **{lane.label: lane.ceilings for lane in ready if lane.ceilings is not None}},
    )
    try:
        folder = RunFolder.resume(past.path, info)
    except UsageError:
        for lane in ready:
            lane.close()
        raise
    run = Run(catalogue, ready, info, options, folder)
    run.finished = len(past.finished)
    return run


def _keep_unfinished(lane: Lane, device: DeviceInfo | None, past: Past, keep_slow: bool) -> None:
    """Drop what was finished on that device; everything where the run never had one for this backend."""
    lane.work = [
        (subject, spec, case)
        for subject, spec, case in lane.work
        if device is not None
        and (keep_slow or runs_by_default(case, device))
        and not past.has(subject.info, case, device)
    ]
