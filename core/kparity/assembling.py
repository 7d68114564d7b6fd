"""From a selection to lanes: each line-up with its cases, and the seed that they follow from."""

from __future__ import annotations

import secrets

import msgspec

from kparity.catalogue import Catalogue
from kparity.evaluation import Subject
from kparity.lanes import Lane
from kparity.options import Options
from kparity.plan import Lineup, Selection, is_timed, lineups, select_cases
from kparity.sandbox.nursery import Nursery


def seeded(options: Options | None) -> Options:
    """The options with a seed: drawn now where none was given, before anything that follows from it is planned.

    Nobody will ask for the oracles of a seed that was drawn just now.
    """
    options = options or Options()
    if options.seed is not None:
        return options
    return msgspec.structs.replace(options, seed=secrets.randbits(48), oracle_cache=False)


def _seed(options: Options) -> int:
    return options.seed or 0


def lanes_of(catalogue: Catalogue, nursery: Nursery, selection: Selection, options: Options) -> list[Lane]:
    """A lane for each line-up that is selected.

    Raises:
        UnknownNameError: a name or glob that matches nothing.
        NothingEvaluatedError: nothing is selected.
    """
    return [_lane(catalogue, nursery, one, selection, options) for one in lineups(catalogue, selection)]


def lane_of(catalogue: Catalogue, nursery: Nursery, subject: Subject, selection: Selection, options: Options) -> Lane:
    """A lane for one implementation, be it registered or a candidate, with the task's selected cases."""
    lane = Lane(catalogue.backend(subject.info.backend), subject.info.label, options, nursery)
    spec = catalogue.task(subject.task)
    lane.work = [(subject, spec, case) for case in select_cases(spec, selection, options.seed or 0)]
    return lane


def _lane(catalogue: Catalogue, nursery: Nursery, lineup: Lineup, selection: Selection, options: Options) -> Lane:
    ones = lineup.implementations
    lane = Lane(catalogue.backend(lineup.backend), ones[0].label, options, nursery)
    for one in ones:
        spec = catalogue.task(one.task)
        subject = Subject.registered(one)
        thin = one.costly and selection.coverage == "quick"
        cases = select_cases(spec, selection, options.seed or 0)
        lane.work.extend((subject, spec, case) for case in cases if not thin or is_timed(spec, case, selection))
    lane.timed = lambda spec, case: is_timed(spec, case, selection)
    return lane
