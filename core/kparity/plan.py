"""Planning: which cases of which tasks are evaluated, for which implementations."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from kparity.backend import DeviceInfo
from kparity.case import Case, Role
from kparity.catalogue import Catalogue, check_dtypes, check_roles
from kparity.errors import NothingEvaluatedError, UnknownNameError, UsageError
from kparity.hunting import hunting_cases
from kparity.loading import Implementation
from kparity.spec import KernelSpec

Coverage = Literal["full", "quick"]


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What a user asked for; empty means everything.

    Attributes:
        tasks, backends: globs over names.
        implementations: globs over labels (`torch:compile`, `triton`).
        dtypes: keep cases whose dtype variables are all bound to one of these.
        roles: keep these roles; by default edge and typical, and perf on hardware that is fast enough for it.
        cases: globs over case keys.
        coverage: `quick` takes each case in one dtype, in turn, and each task's first typical case in the default one,
            which is the only one that it times; of costly implementations it runs only what is timed.
        hunt: add fresh shapes and adversarial inputs, which follow from the run's seed; see `kparity.hunting`. Globs of
            `cases` keep those whose key they match only if they hold an `@`.
    """

    tasks: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    implementations: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    coverage: Coverage = "full"
    hunt: bool = False


class Lineup(NamedTuple):
    """The implementations of one backend that share a name, hence a worker."""

    backend: str
    name: str
    implementations: tuple[Implementation, ...]


def lineups(catalogue: Catalogue, selection: Selection) -> list[Lineup]:
    """The selected implementations, grouped by backend and name.

    Raises:
        UnknownNameError: a glob or name matches nothing.
        NothingEvaluatedError: no selected backend implements any selected task.
    """
    tasks = [spec.name for spec in catalogue.select_tasks(selection.tasks)]
    backends = catalogue.select_backends(selection.backends)
    found: dict[tuple[str, str], list[Implementation]] = {}
    labels: set[str] = set()
    for backend in backends:
        for task in tasks:
            for one in catalogue.implementations(task, backend):
                labels.add(one.label)
                if _matches(one.label, selection.implementations):
                    found.setdefault((one.backend, one.name), []).append(one)
    for pattern in selection.implementations:
        if not any(fnmatch.fnmatchcase(label, pattern) for label in labels):
            raise UnknownNameError("implementation", pattern, labels)
    if not found:
        raise NothingEvaluatedError(
            f"nothing to evaluate: none of {backends or 'no backend'} implements any of {tasks or 'no task'}"
        )
    return [Lineup(backend, name, tuple(ones)) for (backend, name), ones in found.items()]


def select_cases(spec: KernelSpec, selection: Selection, seed: int = 0) -> list[Case]:
    """The cases of one task that the selection keeps, the role default aside; `seed` is the run's, for those that hunt.

    Raises:
        UnknownNameError: an unknown dtype or role.
        UsageError: an unknown coverage.
    """
    roles: Sequence[Role] = check_roles(selection.roles) or ("edge", "typical", "perf")
    dtypes = check_dtypes(selection.dtypes) or None
    if selection.coverage not in ("full", "quick"):
        raise UsageError(f"unknown coverage {selection.coverage!r}; expected 'full' or 'quick'")
    cases = [case for case in spec.cases(roles=roles, dtypes=dtypes) if _matches(case.key, selection.cases)]
    globs = [glob for glob in selection.cases if "@" in glob]
    if selection.hunt and "edge" in roles and (globs or not selection.cases):
        cases += [case for case in hunting_cases(spec, seed, dtypes=dtypes) if _matches(case.key, globs)]
    return _thin_out(cases) if selection.coverage == "quick" else cases


def is_timed(spec: KernelSpec, case: Case, selection: Selection) -> bool:
    """Whether times are taken: not of edge cases, and under quick coverage only in each dtype variable's default."""
    if case.role == "edge":
        return False
    default = {variable: choices[0] for variable, choices in spec.dtypes.items()}
    return selection.coverage == "full" or case.dtypes == default


def runs_by_default(case: Case, device: DeviceInfo) -> bool:
    """Whether a case is run where the user named no role: perf cases need hardware."""
    return case.role != "perf" or device.kind in ("gpu", "accelerator")


def _thin_out(cases: Iterable[Case]) -> list[Case]:
    """Each problem in one of its dtypes, taken in turn; of the typical ones, only the first in the default one."""
    problems: dict[str, list[Case]] = {}
    for case in cases:
        problems.setdefault(f"{case.role} {case.axes} {case.attributes} {case.pattern}", []).append(case)
    kept: list[Case] = []
    turn, seen_typical = 0, False
    for variants in problems.values():
        if variants[0].role == "typical" and not seen_typical:
            seen_typical = True
            kept.append(variants[0])
            continue
        choices = variants[1:] if variants[0].role == "typical" and variants[1:] else variants
        kept.append(choices[turn % len(choices)])
        turn += 1
    return kept


def _matches(text: str, patterns: Iterable[str]) -> bool:
    wanted = list(patterns)
    return not wanted or any(fnmatch.fnmatchcase(text, pattern) for pattern in wanted)
