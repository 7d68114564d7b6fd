"""Admission of a task: its mutants must die and its honest realizations must pass, on draws as a run judges them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from kparity.case import Case, Role
from kparity.draws import Arrays
from kparity.honest import variants
from kparity.hunting import hunting_cases
from kparity.imprecise import NotApplicable
from kparity.mutants import is_same_function, mutants
from kparity.mutation import Mutant
from kparity.oracle import round_to
from kparity.problem import Problem
from kparity.spec import KernelSpec
from kparity.verify import Evidence, judge

Judge = Callable[[Problem, Arrays], str]
"""Looks at outputs, rounded to the declared dtypes; an empty text accepts them, any other says why not."""

LARGEST = 1 << 21
"""Elements of the largest declared case that admission looks at."""


class Fate(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a mutant or of an honest realization under one judge.

    Attributes:
        name: of the mutant or the realization.
        outcome: `refused` or `accepted`; `same` where a mutant turned out to be the same function on every draw;
            `none` where it has no meaning for this task.
        case: the draw that decided it: the one that refused it.
        why: the judge's words, or why there is nothing to judge.
    """

    name: str
    outcome: Literal["refused", "accepted", "same", "none"]
    case: str = ""
    why: str = ""


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """How one judge did on one task.

    Attributes:
        task: its name.
        dtypes: those of the cases looked at.
        judge: whose verdict it is.
        draws: problems that every mutant and realization was tried on.
        mutants, honest: their fates.
        seconds: time that took, shared by all judges of the same examination.
    """

    task: str
    dtypes: tuple[str, ...]
    judge: str
    draws: int
    mutants: tuple[Fate, ...]
    honest: tuple[Fate, ...]
    seconds: float

    @property
    def survivors(self) -> tuple[Fate, ...]:
        """Mutants that were accepted on every draw."""
        return tuple(one for one in self.mutants if one.outcome == "accepted")

    @property
    def refused(self) -> tuple[Fate, ...]:
        """Honest realizations that were refused on some draw."""
        return tuple(one for one in self.honest if one.outcome == "refused")

    @property
    def applicable(self) -> int:
        """Mutants that can be told from the honest result."""
        return sum(one.outcome in ("refused", "accepted") for one in self.mutants)

    @property
    def tried(self) -> int:
        """Honest realizations that make sense here."""
        return sum(one.outcome != "none" for one in self.honest)

    @property
    def admitted(self) -> bool:
        """Every mutant dies and every honest realization passes."""
        return not self.survivors and not self.refused and self.applicable > 0


def contract_judge(problem: Problem, outputs: Arrays) -> str:
    """kparity's own verdict, as for any kernel."""
    verdict = judge(Evidence(problem, outputs, problem.inputs_digest))
    return "" if verdict.status == "passed" else verdict.message or verdict.status


OURS: Mapping[str, Judge] = {"kparity": contract_judge}


def examine(
    spec: KernelSpec,
    *,
    seed: int,
    dtypes: Iterable[str] | None = None,
    roles: Sequence[Role] = ("edge", "typical"),
    hunt: bool = True,
    largest: int = LARGEST,
    judges: Mapping[str, Judge] = OURS,
) -> tuple[Admission, ...]:
    """Try all mutants and honest realizations of a spec on its cases and hunting cases.

    Args:
        spec: the task.
        seed: of the inputs and the hunting cases.
        dtypes: only these; all by default.
        roles: of the declared cases.
        hunt: add the hunting cases of the seed.
        largest: skip declared cases of more elements.
        judges: whose verdicts are taken, by name; each judges the same outputs.

    Returns:
        One admission for each judge.

    Raises:
        SpecError: the reference fails on a case.
    """
    started = time.perf_counter()
    wanted = None if dtypes is None else list(dtypes)
    cases = [case for case in spec.cases(roles=roles, dtypes=wanted) if case.elements <= largest]
    if hunt:
        cases += hunting_cases(spec, seed, dtypes=wanted)
    cases.sort(key=lambda case: (case.elements < 64, case.elements))  # where most is seen for the least work
    hunt_down = {mutant.name: _Trial(mutant, judges) for mutant in mutants(spec)}
    realizations = variants(spec)
    honest: dict[str, dict[str, Fate]] = {name: {} for name in judges}
    for case in cases:
        problem = Problem.pose(spec, case, seed)
        for trial in hunt_down.values():
            trial.on(problem)
        for one in realizations:
            _try_honest(one.name, one.run(spec, case, problem.inputs), problem, judges, honest)
    seconds = time.perf_counter() - started
    return tuple(
        Admission(
            task=spec.name,
            dtypes=tuple(dict.fromkeys(one for case in cases for one in case.dtypes.values())),
            judge=name,
            draws=len(cases),
            mutants=tuple(trial.fate(name) for trial in hunt_down.values()),
            honest=tuple(honest[name].get(one.name, Fate(one.name, "none")) for one in realizations),
            seconds=round(seconds, 3),
        )
        for name in judges
    )


class _Trial:
    """One mutant before all judges."""

    def __init__(self, mutant: Mutant, judges: Mapping[str, Judge]) -> None:
        self._mutant = mutant
        self._free = dict(judges)
        self._refused: dict[str, Fate] = {}
        self._tried = False
        self._reason = ""
        self._different = False

    def on(self, problem: Problem) -> None:
        """Try it on one more problem, before the judges that have not refused it yet."""
        if not self._free:
            return
        try:
            outputs = self._mutant.make(problem, problem.spec.numerics.accumulate)
            self._different = self._different or not is_same_function(self._mutant, problem)
        except NotApplicable as error:
            self._reason = self._reason or str(error)
            return
        self._tried = True
        rounded = _rounded(outputs, problem.case)
        for name, look in list(self._free.items()):
            why = look(problem, rounded)
            if why:
                self._refused[name] = Fate(self._mutant.name, "refused", problem.case.key, why)
                del self._free[name]

    def fate(self, judge_name: str) -> Fate:
        """What became of it under that judge."""
        name = self._mutant.name
        if not self._tried:
            return Fate(name, "none", why=self._reason)
        if not self._different:
            why = "it equals the honest result on every draw"
            return (
                Fate(name, "accepted", why=f"{why}: the inputs tell nothing")
                if self._mutant.differs
                else Fate(name, "same", why=why)
            )
        if judge_name in self._refused:
            return self._refused[judge_name]
        return Fate(name, "accepted", why="no draw refused it")


def _try_honest(
    name: str, outputs: Arrays | None, problem: Problem, judges: Mapping[str, Judge], fates: dict[str, dict[str, Fate]]
) -> None:
    if outputs is None:
        return
    rounded = _rounded(outputs, problem.case)
    for judge_name, look in judges.items():
        known = fates[judge_name].get(name)
        if known is not None and known.outcome == "refused":
            continue
        why = look(problem, rounded)
        fates[judge_name][name] = Fate(name, "refused", problem.case.key, why) if why else Fate(name, "accepted")


def _rounded(outputs: Arrays, case: Case) -> Arrays:
    with np.errstate(invalid="ignore"):
        return round_to(tuple(np.asarray(one) for one in outputs), case)
