"""The library: a session holds a catalogue and runs things. No globals, no dependence on the working directory."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kparity.assembling import lane_of, lanes_of, seeded
from kparity.assurance import PROTECTIONS, Assurance
from kparity.backend import DeviceInfo
from kparity.catalogue import Catalogue
from kparity.compare import Compared, ComparePolicy
from kparity.environment import Shard
from kparity.errors import NothingEvaluatedError, Unavailable, UnknownNameError, UsageError
from kparity.evaluation import Subject, overall
from kparity.lanes import Lane, open_all
from kparity.loading import Implementation
from kparity.options import Options
from kparity.pairing import Sides
from kparity.past import Past
from kparity.plan import Coverage, Selection, runs_by_default
from kparity.plugins import Plugins
from kparity.records import Evaluation, Status
from kparity.resuming import resume_run
from kparity.running import Run, described, start_run
from kparity.sandbox.confine import confined
from kparity.sandbox.host import ProcessRunner
from kparity.sandbox.limits import Limits
from kparity.sandbox.nursery import Nursery


@dataclass(frozen=True)
class Outcome:
    """Several evaluations of one implementation.

    Attributes:
        status: the worst of them; `unsupported` only where every one of them is.
        evaluations: one for each case.
    """

    status: Status
    evaluations: tuple[Evaluation, ...]

    @property
    def passed(self) -> bool:
        """True where at least one case passed and no case failed."""
        return self.status == "passed"

    @property
    def message(self) -> str:
        """What went wrong first; empty where nothing did."""
        return next((one.verdict.message for one in self.evaluations if one.status == self.status), "")


class Session:
    """A catalogue and what can be done with it, and the processes with imported frameworks that workers come from.

    Those are started when first needed and go when the session does, or is closed.

    Args:
        extra: plugin objects or modules, registered after the installed ones.
        discover: load the installed plugins (entry-point group `kparity`).
    """

    def __init__(self, *, extra: Iterable[object] = (), discover: bool = True) -> None:
        self.catalogue = Catalogue(Plugins.load(discover=discover, extra=extra))
        self.nursery = Nursery()
        self._finalizer = weakref.finalize(self, self.nursery.close)

    def close(self) -> None:
        """End the processes that workers are forked from; the session can be used again and starts others."""
        self.nursery.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def devices(self, backends: Iterable[str] = ()) -> dict[str, DeviceInfo | Unavailable]:
        """Open every selected backend in a process of its own and report the device, or why there is none.

        Raises:
            UnknownNameError: a glob matches no backend.
        """
        names = self.catalogue.select_backends(backends)
        lanes = [Lane(self.catalogue.backend(name), name, Options(), self.nursery) for name in names]
        open_all(lanes)
        for lane in lanes:
            lane.close()
        return {lane.label: lane.device or lane.unavailable or Unavailable("no reason given") for lane in lanes}

    def protections(self) -> Assurance:
        """How the worker of a candidate is confined on this machine, found by starting one.

        Raises:
            WorkerError: no worker can be started.
        """
        backend = next(iter(self.catalogue.backends.values()), None)
        if backend is None:
            return confined("", dict.fromkeys(PROTECTIONS, "no backend is registered, so there is no worker"))
        runner = ProcessRunner(backend, 60.0, self.nursery, Limits())
        try:
            return runner.meet()
        finally:
            runner.close()

    def prepare(
        self,
        selection: Selection | None = None,
        options: Options | None = None,
        *,
        out: str | os.PathLike[str] | None = None,
        by_default: bool = False,
        shard: Shard | None = None,
    ) -> Run:
        """Plan a run and open its devices.

        Args:
            selection: what to evaluate; everything by default.
            options: how.
            out: run folder to write.
            by_default: leave perf cases out on devices that are too slow for them although roles were given.
            shard: evaluate only this part; every part needs the same seed, selection and installed plugins.

        Raises:
            UnknownNameError: a name or glob that matches nothing.
            NothingEvaluatedError: the selection is empty, or no backend could be opened.
            UsageError: `out` holds a run already, or a shard is asked for without a seed.
        """
        selection, options = selection or Selection(), options or Options()
        if shard is None:  # the parts of a run agree on a seed: `start_run` refuses those that were given none
            options = seeded(options)
        lanes = lanes_of(self.catalogue, self.nursery, selection, options)
        return start_run(self.catalogue, lanes, selection, options, out=out, by_default=by_default, shard=shard)

    def resume(self, path: str | os.PathLike[str], *, force: bool = False, jobs: int | None = None) -> Run:
        """Take up a run that was interrupted: its selection, options, seed and shard come from its folder.

        What has a verdict is not evaluated again; evaluations whose worker was lost are. New records are appended.

        Args:
            path: the run folder.
            force: go on although versions, sources or devices differ; the differences are recorded in `run.json`.
                Backends that could not be opened then are tried again.
            jobs: line-ups at work at once; as before by default.

        Raises:
            KparityError: no run folder, or a damaged one.
            UsageError: the environment differs, somebody else writes to the folder, or it holds a candidate's run.
        """
        past = Past(Path(path))
        selection, options = past.selection(), past.options(jobs)
        lanes = lanes_of(self.catalogue, self.nursery, selection, options)
        return resume_run(self.catalogue, lanes, selection, options, past, force=force)

    def run(
        self,
        tasks: Iterable[str] = (),
        *,
        backends: Iterable[str] = (),
        implementations: Iterable[str] = (),
        dtypes: Iterable[str] = (),
        roles: Iterable[str] = (),
        cases: Iterable[str] = (),
        coverage: Coverage = "full",
        hunt: bool = False,
        options: Options | None = None,
        out: str | os.PathLike[str] | None = None,
    ) -> Iterator[Evaluation]:
        """Evaluate everything that matches and yield each record as it finishes; see `Selection` and `Options`.

        Raises:
            UnknownNameError, NothingEvaluatedError: as `prepare`.
        """
        selection = Selection(
            tasks=tuple(tasks),
            backends=tuple(backends),
            implementations=tuple(implementations),
            dtypes=tuple(dtypes),
            roles=tuple(roles),
            cases=tuple(cases),
            coverage=coverage,
            hunt=hunt,
        )
        yield from self.prepare(selection, options, out=out)

    def evaluate(
        self,
        task: str,
        backend: str,
        source: str | None = None,
        *,
        name: str | None = None,
        entry_point: str | None = None,
        dtypes: Iterable[str] = (),
        roles: Iterable[str] = (),
        cases: Iterable[str] = (),
        hunt: bool | None = None,
        options: Options | None = None,
        out: str | os.PathLike[str] | None = None,
    ) -> Outcome:
        """Evaluate one implementation over a task's cases.

        Args:
            task: name of the task.
            backend: name of the backend.
            source: a candidate's source text; None takes the registered implementation.
            name: which registered implementation, where there are several.
            entry_point: the function that the source defines; the task's own name by default.
            dtypes, roles, cases: as in `Selection`.
            hunt: also on fresh shapes and adversarial inputs; by default for source text only.

        Raises:
            UnknownNameError: unknown task, backend, dtype, role or implementation.
            NothingEvaluatedError: no case matches.
            Unavailable: the backend cannot be opened here.
        """
        if source is not None:
            prepared = self.prepare_candidate(
                task,
                backend,
                source,
                entry_point=entry_point,
                dtypes=dtypes,
                roles=roles,
                cases=cases,
                hunt=hunt is not False,
                options=options,
                out=out,
            )
        else:
            options = seeded(options)
            chosen = self._registered(self.catalogue.task(task).name, backend, name)
            selection = _one(task, backend, dtypes, roles, cases, bool(hunt), chosen.label)
            lanes = [lane_of(self.catalogue, self.nursery, Subject.registered(chosen), selection, options)]
            prepared = start_run(self.catalogue, lanes, selection, options, out=out)
        evaluations = tuple(prepared)
        return Outcome(overall(evaluations), evaluations)

    def prepare_candidate(
        self,
        task: str,
        backend: str,
        source: str,
        *,
        entry_point: str | None = None,
        dtypes: Iterable[str] = (),
        roles: Iterable[str] = (),
        cases: Iterable[str] = (),
        hunt: bool = True,
        options: Options | None = None,
        out: str | os.PathLike[str] | None = None,
    ) -> Run:
        """Prepare the evaluation of a candidate's source text; arguments and errors as in `evaluate`."""
        spec, options = self.catalogue.task(task), seeded(options)
        selection = _one(task, backend, dtypes, roles, cases, hunt)
        subject = Subject.candidate(task, backend, source, entry_point or spec.entry_point)
        lanes = [lane_of(self.catalogue, self.nursery, subject, selection, options)]
        digest = subject.info.source_digest
        return start_run(self.catalogue, lanes, selection, options, out=out, candidate=digest)

    def compare(
        self,
        task: str,
        first: str | Subject,
        second: str | Subject,
        *,
        dtypes: Iterable[str] = (),
        roles: Iterable[str] = (),
        cases: Iterable[str] = (),
        policy: ComparePolicy | None = None,
        options: Options | None = None,
    ) -> Iterator[Compared]:
        """Compare two implementations of a task on one device, pair by pair; yields one result for each case.

        Args:
            task: name of the task.
            first, second: labels such as `triton` or `torch:compile`, or subjects.
            dtypes, roles, cases: as in `Selection`; by default the timed roles that the device runs.
            policy: how to sample.
            options: seed and isolation. On a CPU the same kernel is faster or slower by a few per cent from one
                process to the next: there two registered implementations of one backend share a worker, and other
                sides, like all that are timed on the host clock, get several workers each, one after the other.

        Raises:
            UnknownNameError: unknown task or label.
            UsageError: the two are on different devices, or one of them does not pass a case.
            Unavailable: a backend cannot be opened here.
        """
        spec, options, policy = self.catalogue.task(task), seeded(options), policy or ComparePolicy()
        sides = [one if isinstance(one, Subject) else self.labelled(task, one) for one in (first, second)]
        selection = Selection(tasks=(task,), dtypes=tuple(dtypes), roles=tuple(roles), cases=tuple(cases))
        one, other = (lane_of(self.catalogue, self.nursery, side, selection, options) for side in sides)
        pair = Sides((sides[0], sides[1]), (one, other))
        try:
            device = pair.open()
            chosen = [case for _, _, case in one.work if case.role != "edge"]
            if not selection.roles and not selection.cases:
                chosen = [case for case in chosen if runs_by_default(case, device)]
            if not chosen:
                raise NothingEvaluatedError(f"nothing to compare: no timed case matches {described(selection)}")
            yield from pair.compare(spec, chosen, options.seed or 0, policy)
        finally:
            pair.close()

    def labelled(self, task: str, label: str) -> Subject:
        """The registered implementation with that label (`triton`, `torch:compile`).

        Raises:
            UnknownNameError: with the nearest labels.
        """
        backends = self.catalogue.backends
        found = {one.label: one for name in backends for one in self.catalogue.implementations(task, name)}
        if label not in found:
            raise UnknownNameError(f"implementation of {task}", label, found)
        return Subject.registered(found[label])

    def _registered(self, task: str, backend: str, name: str | None) -> Implementation:
        known = self.catalogue.backend(backend).name
        found = {one.name: one for one in self.catalogue.implementations(task, known)}
        if name is not None and name not in found:
            raise UnknownNameError(f"implementation of {task} on {backend}", name, found)
        if not found:
            raise NothingEvaluatedError(f"{backend} has no implementation of {task}; give its source text")
        if name is None and len(found) > 1:
            raise UsageError(f"{backend} has several implementations of {task}: {sorted(found)}; choose one with name=")
        return found[name] if name is not None else next(iter(found.values()))


def _one(
    task: str,
    backend: str,
    dtypes: Iterable[str],
    roles: Iterable[str],
    cases: Iterable[str],
    hunt: bool,
    label: str = "",
) -> Selection:
    return Selection(
        tasks=(task,),
        backends=(backend,),
        implementations=(label,) if label else (),
        dtypes=tuple(dtypes),
        roles=tuple(roles),
        cases=tuple(cases),
        hunt=hunt,
    )


def evaluate(task: str, backend: str, source: str | None = None, **arguments: object) -> Outcome:
    """`Session().evaluate(...)`: see there. Make a `Session` of your own to evaluate more than once."""
    return Session().evaluate(task, backend, source, **arguments)  # type: ignore[arg-type]


def run(tasks: Iterable[str] = (), **arguments: object) -> Iterator[Evaluation]:
    """`Session().run(...)`: see there."""
    return Session().run(tasks, **arguments)  # type: ignore[arg-type]
