"""Many candidates, one after another or side by side: what a harness embeds.

    with kparity.Evaluator(backends=["triton"]) as evaluator:
        submissions = [evaluator.submit("activation/softmax", "triton", source) for source in sources]
        outcomes = [submission.result() for submission in submissions]

Each candidate has a worker of its own, opened ahead of need, which ends with it. An evaluation is a cascade: the
smallest case, then every case on several draws of inputs, then short timing, then full timing where it is asked for or
where the candidate came near the best so far. It stops at the first step that is not passed.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Self

from kparity.cascade import Best, Cascade, Request, cascaded
from kparity.errors import BacklogFull, NothingEvaluatedError, Unavailable, UsageError
from kparity.evaluation import Subject, overall
from kparity.options import Options
from kparity.plan import Selection, select_cases
from kparity.session import Outcome, Session
from kparity.shared_draws import SharedDraws
from kparity.signature import CaseTemplate
from kparity.station import Stations
from kparity.submission import Queued, Submission

_ENDINGS = 4
"""Workers that are ended at the same time, while the next candidates are at work already."""


class Evaluator:
    """Evaluates candidates as they come, several at a time. Use it from any thread, and close it.

    Args:
        session: holds tasks, backends and checks; by default one of its own.
        backends: names of those whose workers are started now rather than with the first candidate.
        workers: candidates at work at the same time; 0 is one for each processor core. Only one of them is timed.
        warm: opened workers kept ready for each backend.
        backlog: candidates that may wait; `submit` waits for room, which keeps a fast producer in check.
        cascade: how thoroughly; `submit` may ask for another.
        options: limits, timeout, policy and repeats; seed, isolation, jobs and timing are the evaluator's own affair.

    Attributes:
        workers: how many candidates are at work at the same time.

    Raises:
        UnknownNameError: a backend that does not exist.
    """

    def __init__(
        self,
        session: Session | None = None,
        *,
        backends: Iterable[str] = (),
        workers: int = 0,
        warm: int = 1,
        backlog: int = 1024,
        cascade: Cascade | None = None,
        options: Options | None = None,
    ) -> None:
        if workers < 0 or warm < 0 or backlog < 1:
            raise UsageError(f"workers={workers}, warm={warm}, backlog={backlog}: expected at least 0, 0 and 1")
        self._own = session is None
        self._session = session or Session()
        self._cascade = cascade or Cascade()
        self._backlog = backlog
        self._serials = itertools.count(1)
        self.workers = workers or os.cpu_count() or 1
        self._draws = SharedDraws(self._serials)
        self._running: set[Submission] = set()
        catalogue, nursery = self._session.catalogue, self._session.nursery
        options = options or Options(timeout_s=60)
        self._stations = Stations(catalogue, nursery, options, jobs=self.workers, warm=warm)
        self._endings = ThreadPoolExecutor(_ENDINGS, "evaluator's endings")
        self._waiting: list[Queued] = []
        self._changed = threading.Condition()
        self._closed = False
        self._best = Best()
        for name in backends:
            self._stations.start(self._session.catalogue.backend(name))
        self._threads = [
            threading.Thread(target=self._serve, name=f"evaluator {number}", daemon=True)
            for number in range(self.workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self,
        task: str,
        backend: str,
        source: str,
        *,
        entry_point: str | None = None,
        dtypes: Iterable[str] = (),
        roles: Iterable[str] = (),
        cases: Iterable[str] = (),
        templates: Sequence[CaseTemplate] = (),
        cascade: Cascade | None = None,
        priority: int = 0,
        timeout_s: float | None = None,
    ) -> Submission:
        """Queue a candidate. Its inputs are drawn only after this call: no source can know them.

        Args:
            task, backend, source, entry_point, dtypes, roles, cases: as in `Session.evaluate`.
            templates: further cases, made by `edge`, `typical` and `perf`; alone, where no role or case is named.
            cascade: instead of the evaluator's.
            priority: the highest goes first; first come, first served within one.
            timeout_s: to wait for room in the backlog; 0 does not wait, None waits as long as it takes.

        Raises:
            UnknownNameError: unknown task, backend, dtype or role.
            SpecError: a template binds an unknown axis, or leaves one out.
            NothingEvaluatedError: no case matches.
            BacklogFull: no room in time.
            UsageError: the evaluator is closed.
        """
        spec = self._session.catalogue.task(task)
        owner = self._session.catalogue.backend(backend)
        selection: Selection | None = Selection(
            tasks=(task,), backends=(backend,), dtypes=tuple(dtypes), roles=tuple(roles), cases=tuple(cases)
        )
        assert selection is not None
        found = select_cases(spec, selection, 0)
        further = tuple(case for one in templates for case in spec.bound(one, selection.dtypes))
        if templates and not (selection.roles or selection.cases):
            selection, found = None, []
        if not found and not further:
            raise NothingEvaluatedError(f"nothing to evaluate: no case of {task} matches")
        subject = Subject.candidate(task, owner.name, source, entry_point or spec.entry_point)
        submission = Submission()
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._backlog, timeout_s):
                raise BacklogFull(f"{self._backlog} candidates are waiting; submit more slowly, or give a timeout")
            if self._closed:
                raise UsageError("the evaluator is closed; make another one")
            serial = next(self._serials)
            request = Request(subject, spec, selection, further, cascade or self._cascade, serial)
            heapq.heappush(self._waiting, Queued((-priority, serial), request, submission))
            self._changed.notify_all()
        return submission

    async def evaluate(self, task: str, backend: str, source: str, **arguments: object) -> Outcome:
        """`submit` for asynchronous code: waits for the outcome without blocking the event loop.

        Cancelling the task that awaits it ends the evaluation.
        """
        submission = await asyncio.to_thread(self.submit, task, backend, source, **arguments)  # type: ignore[arg-type]
        return await asyncio.wrap_future(submission)

    def best_seconds(self, task: str, backend: str) -> dict[str, float]:
        """The shortest time so far of each case, by the case's key."""
        return self._best.seconds(task, backend)

    def close(self, *, wait: bool = True) -> None:
        """Take no more candidates; finish those that wait, or without `wait` give everything up. Ends all workers."""
        with self._changed:
            self._closed = True
            dropped = [] if wait else self._waiting
            if not wait:
                self._waiting = []
            self._changed.notify_all()
            running = [] if wait else list(self._running)
        for submission in (*(one.submission for one in dropped), *running):
            submission.cancel()
        for thread in self._threads:
            thread.join()
        self._endings.shutdown()
        self._stations.close()
        if self._own:
            self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(wait=kind is None)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                if not self._waiting:
                    return
                queued = heapq.heappop(self._waiting)
                self._running.add(queued.submission)
                self._changed.notify_all()
            if queued.submission.set_running_or_notify_cancel():
                try:
                    queued.submission.set_result(self._outcome(queued.request, queued.submission))
                except BaseException as error:
                    queued.submission.set_exception(error)
            with self._changed:
                self._running.discard(queued.submission)

    def _outcome(self, request: Request, submission: Submission) -> Outcome:
        station = self._stations.take(self._session.catalogue.backend(request.subject.info.backend))
        try:
            submission.work_on(station)
            evaluations = tuple(cascaded(request, station, self._draws, self._best))
        except Unavailable:
            if submission.leave():
                raise CancelledError from None
            raise
        finally:
            given_up = submission.leave()
            self._endings.submit(station.end)
        if given_up:
            raise CancelledError
        return Outcome(overall(evaluations), evaluations)
