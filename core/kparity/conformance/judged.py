"""Promises that need the judge: registered kernels pass, honest candidates pass, and cheats do not."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from kparity.conformance.kernels import verdict
from kparity.conformance.specimens import CHEATS, DOUBLED
from kparity.conformance.workbench import NotChecked, Promise, Workbench
from kparity.errors import CandidateError, Unsupported
from kparity.problem import Problem
from kparity.records import Verdict
from kparity.sandbox.engine import ImplementationFailure
from kparity.sandbox.host import InlineRunner
from kparity.scrutiny import Scrutiny
from kparity.verify import Evidence, judge

_SEEDS = (1, 2)
_MUST_RUN = ("zeros", "constant", "echo", "slightly_off", "not_a_number", "stale_output")
"""Cheats that return what looks like a result: that one of them raises says nothing of the judge."""


def registered(bench: Workbench) -> list[str]:
    """A few registered kernels, on their smallest case in each dtype."""
    if not bench.kernels:
        raise NotChecked("no implementation is registered for this backend")
    broken, passed, refused = [], 0, ""
    for kernel in bench.kernels:
        seen: set[tuple[str, ...]] = set()
        for case in kernel.small_cases():
            kind = tuple(case.dtypes.values())
            if kind in seen:
                continue
            seen.add(kind)
            try:
                result = kernel.judge(bench.engine, case)
            except Unsupported as error:
                refused = f"{kernel.label} {case.key}: {error}"
                continue
            except ImplementationFailure as error:
                broken.append(f"{kernel.label} {case.key}: {error}")
                continue
            passed += result.status == "passed"
            if result.status != "passed":
                broken.append(f"{kernel.label} {case.key}: {result.status}: {result.message}")
    if not passed and not broken:
        raise NotChecked(f"the device runs none of them, e.g. {refused}")
    return broken


def honest(bench: Workbench) -> list[str]:
    """The candidate x + x passes, in each floating-point dtype of common size."""
    broken, passed = [], 0
    for dtype in ("float32", "float16", "bfloat16", "float64"):
        if dtype not in bench.info.dtypes:
            continue
        for result in _verdicts(bench, "doubled", dtype):
            passed += result.status == "passed"
            if result.status != "passed":
                broken.append(f"{dtype}: {result.status}: {result.message}")
    if not passed and not broken:
        raise NotChecked("the device claims none of the dtypes that candidates are tried in")
    return broken


def caught(bench: Workbench, cheat: str) -> list[str]:
    """A candidate that cheats does not pass."""
    dtype = bench.float_dtype
    if any(result.status != "passed" for result in _verdicts(bench, "doubled", dtype)):
        raise NotChecked("the honest candidate does not pass, so this one says nothing")
    results = list(_verdicts(bench, cheat, dtype))
    if cheat == "stale_output" and all(result.status == "passed" for result in results):
        results = [_called_again(bench, cheat, dtype)]  # compiled anew for each draw, it had nothing to remember
    if all(result.status == "passed" for result in results):
        return ["it passed"]
    if cheat in _MUST_RUN and not any(result.status == "failed" for result in results):
        message = next(result.message for result in results if result.status != "passed")
        raise NotChecked(f"the candidate does not run, so nobody had to judge it: {message}")
    return []


def _called_again(bench: Workbench, name: str, dtype: str) -> Verdict:
    """The verdict on what was compiled once and then called on fresh content, as candidates are."""
    engine = InlineRunner(bench.backend)
    engine.watch()
    engine.load(source=bench.source(name), entry_point="doubled")
    problem = Problem.pose(DOUBLED, bench.case(1000, dtype), _SEEDS[0])
    returned = engine.execute(problem.case, problem.inputs)
    first = judge(Evidence(problem, returned.outputs, returned.inputs_digest))
    scrutiny = Scrutiny(engine, problem)
    scrutiny.repeat()
    return scrutiny.verdict(first)


def _verdicts(bench: Workbench, name: str, dtype: str) -> Iterator[Verdict]:
    """The verdicts on one candidate, loaded once and called on two draws of inputs.

    Raises:
        NotChecked: the backend does not run it.
    """
    source = bench.source(name)
    foreign = name not in bench.backend.specimens
    try:
        bench.engine.load(source=source, entry_point="doubled")
    except (ImplementationFailure, Unsupported) as error:
        if foreign or isinstance(error.__cause__, CandidateError):
            raise NotChecked(f"the backend does not load specimen {name!r}: {error}") from error
        raise
    case = bench.case(1000, dtype)
    for seed in _SEEDS:
        try:
            yield verdict(bench.engine, Problem.pose(DOUBLED, case, seed))
        except Unsupported as error:
            raise NotChecked(f"the device does not run specimen {name!r}: {error}") from error
        except ImplementationFailure as error:
            if name == "doubled" and foreign and isinstance(error.__cause__, TypeError | NotImplementedError):
                raise NotChecked(f"device arrays have no operators ({error}); give a specimen 'doubled'") from error
            yield Verdict.of_error(str(error))


PROMISES: Sequence[Promise] = (
    Promise("tasks.registered", "registered kernels pass", registered),
    Promise("candidates.honest", "an honest candidate passes", honest),
    *(
        Promise(
            f"candidates.{cheat}",
            f"no candidate passes that returns {what}",
            functools.partial(caught, cheat=cheat),
        )
        for cheat, what in CHEATS.items()
    ),
)
