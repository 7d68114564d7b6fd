"""Registered kernels as examples of what a backend runs, and the verdict on what an engine has loaded."""

from __future__ import annotations

from kparity.case import Case
from kparity.errors import Unsupported
from kparity.loading import Implementation
from kparity.problem import Problem
from kparity.records import Verdict
from kparity.sandbox.engine import Engine
from kparity.spec import KernelSpec
from kparity.verify import Evidence, judge

_SMALL = 200_000
"""Elements of a case that even an interpreter runs at once."""


class Kernel:
    """A registered implementation and its task."""

    def __init__(self, spec: KernelSpec, one: Implementation) -> None:
        self.spec = spec
        self.target = one.target
        self.label = f"{one.label} {one.task}"

    def small_cases(self, dtype: str | None = None) -> list[Case]:
        """Its cases of moderate size, the smallest first; with `dtype`, those that have an array of it."""
        cases = [case for case in self.spec.cases() if 0 < case.elements <= _SMALL]
        if dtype is not None:
            cases = [case for case in cases if dtype in {info.dtype for info in (*case.inputs, *case.outputs)}]
        return sorted(cases, key=lambda case: case.elements)

    def judge(self, engine: Engine, case: Case) -> Verdict:
        """The verdict on one case.

        Raises:
            Unsupported: the device does not run it.
            ImplementationFailure: it raised.
        """
        engine.load(target=self.target)
        support = engine.supports(case)
        if support.answer == "no":
            raise Unsupported(support.reason)
        return verdict(engine, Problem.pose(self.spec, case, seed=1))


def verdict(engine: Engine, problem: Problem) -> Verdict:
    """What was loaded last, run and judged.

    Raises:
        Unsupported, ImplementationFailure: as `Engine.execute`.
    """
    returned = engine.execute(problem.case, problem.inputs)
    return judge(Evidence(problem, returned.outputs, returned.inputs_digest))
