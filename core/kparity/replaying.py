"""Running a replay bundle again."""

from __future__ import annotations

import hashlib

import msgspec

from kparity.errors import UsageError
from kparity.evaluation import CANDIDATE, Subject
from kparity.lanes import Lane
from kparity.options import Options
from kparity.plan import Selection
from kparity.replay import Bundle, Replayed, outcome
from kparity.running import start_run
from kparity.session import Session


def replay(session: Session, bundle: Bundle, options: Options | None = None) -> Replayed:
    """Evaluate what the bundle holds on this machine, with its seed, and say whether it comes out the same.

    A candidate's text runs confined, as any candidate does. Nothing is timed.

    Raises:
        UnknownNameError: task, backend or implementation are not installed here.
        UsageError: the text is not the one that was evaluated.
        Unavailable: the backend cannot be opened here.
    """
    record = bundle.evaluation
    spec = session.catalogue.task(record.task)
    backend = session.catalogue.backend(record.implementation.backend)
    if record.implementation.name == CANDIDATE or bundle.source:
        subject = Subject.candidate(record.task, backend.name, bundle.source, bundle.entry_point or spec.entry_point)
        if subject.info.source_digest != record.implementation.source_digest:
            digest = hashlib.sha256(bundle.source.encode()).hexdigest()[:16]
            raise UsageError(
                f"the bundle's source has digest {digest}, its record {record.implementation.source_digest}: "
                "the text was changed; verify it with 'kparity verify'"
            )
    else:
        subject = session.labelled(record.task, record.implementation.label)
    options = msgspec.structs.replace(options or Options(), seed=record.seed, timing=None)
    lane = Lane(backend, subject.info.label, options, session.nursery)
    lane.work = [(subject, spec, record.case)]
    selection = Selection(tasks=(record.task,), backends=(backend.name,), cases=(record.case.key,))
    run = start_run(session.catalogue, [lane], selection, options, candidate=subject.info.source_digest)
    (evaluation,) = run
    return outcome(bundle, evaluation, run.info)
