"""What the pytest plugin does once a test asks for it: the matrix of tasks and line-ups, evaluations, failure texts."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kparity.case import ROLES
from kparity.errors import KparityError, NothingEvaluatedError, Unavailable, UsageError
from kparity.options import Options
from kparity.records import Evaluation
from kparity.session import Outcome, Session
from kparity.timing import TimingPolicy

_SESSION = pytest.StashKey[Session]()
_SHOWN = 3
_MARKER = ("tasks", "backends", "implementations", "dtypes", "roles", "cases", "source", "entry_point")


@dataclass(frozen=True)
class Subject:
    """One test: a task on a line-up, or on a backend with a candidate's source file.

    Attributes:
        name: of the registered implementation; empty for a candidate.
        source: the candidate's file.
    """

    task: str
    backend: str
    name: str
    label: str
    dtypes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    source: Path | None = None
    entry_point: str | None = None

    def __str__(self) -> str:
        return f"{self.label}-{self.task}"


class Judged:
    """The outcome of one implementation over a task's cases.

    Attributes:
        subject: what was evaluated.
        outcome: status and evaluations; None where the backend cannot be opened here.
        unavailable: why it cannot be.
    """

    def __init__(self, subject: Subject, outcome: Outcome | None, unavailable: str = "") -> None:
        self.subject = subject
        self.outcome = outcome
        self.unavailable = unavailable

    def __repr__(self) -> str:
        return f"<{self.subject}: {self.outcome.status if self.outcome is not None else 'unavailable'}>"

    @property
    def passed(self) -> bool:
        """True where at least one case passed and none went wrong."""
        return self.outcome is not None and self.outcome.passed

    def check(self) -> Outcome:
        """Fail the test with the worst elements shown, skip it where nothing can be run here, or return the outcome."""
        __tracebackhide__ = True
        if (
            self.outcome is None and " cannot be opened: " in self.unavailable
        ):  # it broke down instead of saying why not
            pytest.fail(self.unavailable, pytrace=False)
        if self.outcome is None:
            pytest.skip(self.unavailable)
        if self.outcome.status == "unsupported":
            pytest.skip(self.outcome.message)
        if not self.outcome.passed:
            pytest.fail(failure_text(self.outcome.evaluations), pytrace=False)
        return self.outcome


def subjects(metafunc: pytest.Metafunc) -> list[Subject]:
    """What a test's marker and the command line's options select, without opening a device.

    Raises:
        pytest.UsageError: a name or glob matches nothing, or the marker makes no sense.
    """
    asked = _marker(metafunc)
    try:
        return _selected(metafunc, asked)
    except KparityError as error:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: {error}") from error


def judged(request: pytest.FixtureRequest) -> Judged:
    """Evaluate the subject that the test is parametrized with."""
    subject: Subject = request.param
    config = request.config
    seed: int | None = config.getoption("--kparity-seed")
    options = Options(seed=seed, timing=TimingPolicy() if _takes_times(config) else None)
    source = None
    if subject.source is not None:
        source = subject.source.read_text(encoding="utf-8")
    try:
        outcome = _session(config).evaluate(
            subject.task,
            subject.backend,
            source,
            name=subject.name or None,
            entry_point=subject.entry_point,
            dtypes=subject.dtypes,
            roles=subject.roles,
            cases=subject.cases,
            options=options,
        )
    except (Unavailable, NothingEvaluatedError) as error:
        return Judged(subject, None, str(error))
    return Judged(subject, outcome)


def failure_text(evaluations: Sequence[Evaluation]) -> str:
    """What went wrong, case by case: the worst element, where the errors lie, and how to run the case again."""
    wrong = [one for one in evaluations if one.status in ("failed", "error", "inconclusive")]
    parts = [f"{len(wrong)} of {len(evaluations)} cases went wrong"]
    for one in wrong[:_SHOWN]:
        pictures = [str(check.details["map"]) for check in one.verdict.checks if "map" in check.details]
        parts.append(
            "\n".join([f"{one.status}: {one.implementation.label} {one.task} {one.case.key}", *_indented(one)])
        )
        parts += [_indent(picture) for picture in pictures]
        if not one.implementation.source_digest:
            parts.append(f"kparity run {one.task} -i {one.implementation.label} -c '{one.case.key}' --seed {one.seed}")
    if len(wrong) > _SHOWN:
        parts.append(f"and {len(wrong) - _SHOWN} more")
    return "\n\n".join(parts)


def close(config: pytest.Config) -> None:
    """End the processes that the session keeps warm."""
    session = config.stash.get(_SESSION, None)
    if session is not None:
        session.close()


def _selected(metafunc: pytest.Metafunc, asked: dict[str, Any]) -> list[Subject]:
    config, catalogue = metafunc.config, _session(metafunc.config).catalogue
    tasks = [spec.name for spec in catalogue.select_tasks(_several(asked, "tasks"))]
    backends = catalogue.select_backends(_several(asked, "backends"))
    tasks = _narrowed(tasks, config.getoption("--kparity-task"))
    backends = _narrowed(backends, config.getoption("--kparity-backend"))
    roles = tuple(config.getoption("--kparity-role")) or _several(asked, "roles") or ("edge", "typical")
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise UsageError(f"unknown role {unknown[0]!r}; expected {', '.join(ROLES)}")
    rest: dict[str, Any] = {
        "dtypes": _several(asked, "dtypes"),
        "roles": roles,
        "cases": _several(asked, "cases"),
        "entry_point": asked.get("entry_point"),
    }
    if "source" in asked:
        source = Path(metafunc.definition.path).parent / asked["source"]
        if not source.is_file():
            raise UsageError(f"{str(source)!r} is no file")
        return [
            Subject(task, name, "", f"{name}:{source.stem}", source=source, **rest)
            for task in tasks
            for name in backends
        ]
    wanted = _several(asked, "implementations")
    return [
        Subject(task, name, one.name, one.label, **rest)
        for task in tasks
        for name in backends
        for one in catalogue.implementations(task, name)
        if not wanted or any(fnmatch.fnmatchcase(one.label, pattern) for pattern in wanted)
    ]


def _marker(metafunc: pytest.Metafunc) -> dict[str, Any]:
    """The keywords of the nearest marker."""
    marker = metafunc.definition.get_closest_marker("kparity")
    if marker is None:
        return {}
    unknown = sorted(set(marker.kwargs) - set(_MARKER))
    if marker.args or unknown:
        what = f"{unknown[0]!r} is no keyword" if unknown else "it takes keywords alone"
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: marker kparity: {what}; keywords: {', '.join(_MARKER)}")
    if "source" in marker.kwargs and not {"tasks", "backends"} <= set(marker.kwargs):
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: marker kparity: a source needs tasks and backends")
    return dict(marker.kwargs)


def _several(asked: dict[str, Any], key: str) -> tuple[str, ...]:
    value = asked.get(key, ())
    return (value,) if isinstance(value, str) else tuple(value)


def _narrowed(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if not patterns or any(fnmatch.fnmatchcase(name, one) for one in patterns)]


def _session(config: pytest.Config) -> Session:
    if _SESSION not in config.stash:
        session = config.stash[_SESSION] = Session()
        for fault in session.catalogue.faults:
            warnings.warn(pytest.PytestWarning(f"kparity: {fault}"), stacklevel=1)
    return config.stash[_SESSION]


def _takes_times(config: pytest.Config) -> bool:
    """Under pytest-xdist several tests share the machine, so that times would say nothing."""
    return bool(config.getoption("--kparity-timing")) and not hasattr(config, "workerinput")


def _indented(one: Evaluation) -> list[str]:
    return [_indent(text) for text in (one.verdict.message, one.output) if text]


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
