"""The evaluator: many candidates side by side, each in a worker of its own, on inputs drawn after its source."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import CancelledError

import pytest
from toy import toy_plugin

from kparity import (
    BacklogFull,
    Cascade,
    Evaluator,
    NothingEvaluatedError,
    Options,
    Session,
    SpecError,
    UnknownNameError,
    UsageError,
    typical,
)
from kparity.shared_draws import SharedDraws
from kparity.timing import TimingPolicy

GOOD = "def scale(x, factor=2.0):\n    return (x * factor).astype(x.dtype)\n"
WRONG = "def scale(x, factor=2.0):\n    return x.copy()\n"
CRASHES = "import os\n\ndef scale(x, factor=2.0):\n    os._exit(3)\n"
HANGS = "import time\n\ndef scale(x, factor=2.0):\n    time.sleep(600)\n"
REFUSES = "from kparity import Unsupported\n\ndef scale(x, factor=2.0):\n    raise Unsupported('too large for me')\n"
QUICK = TimingPolicy(warmup=1, minimum=3, maximum=5, budget_s=0.01)
UNTIMED = Cascade(draws=1, timing="none", hunt=False)


@pytest.fixture(scope="module")
def session():
    """The toy backend alone."""
    with Session(extra=[toy_plugin("good")], discover=False) as session:
        yield session


@pytest.fixture
def evaluator(session):
    """Two candidates at a time."""
    with Evaluator(session, workers=2, cascade=UNTIMED, options=Options(timeout_s=30)) as evaluator:
        yield evaluator


def test_each_candidate_gets_its_own_verdict(evaluator):
    submissions = [evaluator.submit("toy/scale", "toy", source) for source in (GOOD, WRONG, CRASHES, GOOD)]
    outcomes = [submission.result(60) for submission in submissions]
    assert [outcome.status for outcome in outcomes] == ["passed", "failed", "error", "passed"]
    assert "exit status 3" in outcomes[2].message
    assert all(one.isolation == "process" and not one.assurance.trusted for one in outcomes[0].evaluations)


def test_the_cascade_ends_at_the_first_case_that_is_not_passed(evaluator):
    assert len(evaluator.submit("toy/scale", "toy", WRONG).result(60).evaluations) == 1
    assert len(evaluator.submit("toy/scale", "toy", GOOD).result(60).evaluations) > 1


def test_a_candidate_cannot_refuse_a_case_that_the_device_supports(evaluator):
    outcome = evaluator.submit("toy/scale", "toy", REFUSES).result(60)
    assert outcome.status == "error"
    assert "too large for me" in outcome.message


def test_every_draw_has_its_own_inputs_and_the_record_says_which(evaluator):
    outcome = evaluator.submit(
        "toy/scale", "toy", GOOD, templates=[typical(n=40)], dtypes=["float32"], cascade=Cascade(draws=3, timing="none")
    ).result(60)
    assert len(outcome.evaluations) == 3
    assert {one.case.axes["n"] for one in outcome.evaluations} == {40}
    assert len({one.seed for one in outcome.evaluations}) == 3
    assert len({one.inputs_digest for one in outcome.evaluations}) == 3


@pytest.mark.slow
def test_hunting_cases_are_part_of_the_evaluation(evaluator):
    outcome = evaluator.submit("toy/scale", "toy", GOOD, cascade=Cascade(draws=1, timing="none")).result(60)
    assert any("@" in one.case.key for one in outcome.evaluations)


@pytest.mark.slow
def test_what_comes_near_the_best_is_timed_in_full(session):
    full = TimingPolicy(warmup=1, minimum=11, maximum=11, budget_s=0.01)
    cascade = Cascade(draws=1, timing="auto", short=QUICK, full=full, near=1e9, hunt=False)
    with Evaluator(session, workers=1, cascade=cascade) as evaluator:
        outcome = evaluator.submit("toy/scale", "toy", GOOD, roles=["typical"]).result(60)
        counts = {len(one.time("end_to_end").samples_s) for one in outcome.evaluations}
        assert counts == {11}
        assert set(evaluator.best_seconds("toy/scale", "toy")) == {one.case.key for one in outcome.evaluations}


def test_a_higher_priority_goes_first(session):
    finished = []
    with Evaluator(session, workers=1, cascade=UNTIMED, options=Options(timeout_s=2)) as evaluator:
        blocker = evaluator.submit("toy/scale", "toy", HANGS)
        for name, priority in (("low", 0), ("high", 5)):
            submission = evaluator.submit("toy/scale", "toy", GOOD, priority=priority)
            submission.add_done_callback(lambda _, name=name: finished.append(name))
        assert blocker.result(60).status == "error"
    assert finished == ["high", "low"]


def test_what_waits_and_what_runs_can_be_given_up(session):
    with Evaluator(session, workers=1, cascade=UNTIMED, options=Options(timeout_s=120)) as evaluator:
        running = evaluator.submit("toy/scale", "toy", HANGS)
        waiting = evaluator.submit("toy/scale", "toy", GOOD)
        while not running.running():
            time.sleep(0.01)
        assert waiting.cancel()
        assert waiting.cancelled()
        assert running.cancel()
        with pytest.raises(CancelledError):
            running.result(30)
        assert evaluator.submit("toy/scale", "toy", GOOD).result(60).passed
        assert not running.cancel()


def test_a_full_backlog_holds_the_producer_back(session):
    with Evaluator(session, workers=1, backlog=1, cascade=UNTIMED, options=Options(timeout_s=120)) as evaluator:
        running = evaluator.submit("toy/scale", "toy", HANGS)
        while not running.running():
            time.sleep(0.01)
        evaluator.submit("toy/scale", "toy", GOOD)
        with pytest.raises(BacklogFull, match="1 candidates"):
            evaluator.submit("toy/scale", "toy", GOOD, timeout_s=0.05)
        running.cancel()


def test_leaving_over_an_exception_ends_everything(session):
    started = threading.Event()

    def work():
        with Evaluator(session, workers=1, cascade=UNTIMED, options=Options(timeout_s=300)) as evaluator:
            submissions.append(evaluator.submit("toy/scale", "toy", HANGS))
            submissions.append(evaluator.submit("toy/scale", "toy", GOOD))
            started.set()
            raise KeyError("the harness broke")

    submissions = []
    with pytest.raises(KeyError):
        work()
    assert started.is_set()
    assert all(submission.done() for submission in submissions)


def test_asynchronous_code_awaits_outcomes(evaluator):
    async def both():
        return await asyncio.gather(*(evaluator.evaluate("toy/scale", "toy", source) for source in (GOOD, WRONG)))

    assert [outcome.status for outcome in asyncio.run(both())] == ["passed", "failed"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("toy/scal", "toy", GOOD), UnknownNameError, "toy/scale"),
        (("toy/scale", "tyo", GOOD), UnknownNameError, "toy"),
    ],
)
def test_unknown_names_are_told_at_once(evaluator, arguments, error, message):
    with pytest.raises(error, match=message):
        evaluator.submit(*arguments)


def test_cases_that_do_not_exist_are_told_at_once(evaluator):
    with pytest.raises(NothingEvaluatedError):
        evaluator.submit("toy/scale", "toy", GOOD, cases=["rows=0"])
    with pytest.raises(SpecError, match="width"):
        evaluator.submit("toy/scale", "toy", GOOD, templates=[typical(width=3)])


def test_a_closed_evaluator_and_senseless_numbers_are_refused(session):
    evaluator = Evaluator(session, workers=1)
    evaluator.close()
    with pytest.raises(UsageError, match="closed"):
        evaluator.submit("toy/scale", "toy", GOOD)
    with pytest.raises(UsageError, match="workers=-1"):
        Evaluator(session, workers=-1)
    with pytest.raises(UsageError, match="draws is 0"):
        Cascade(draws=0)


def test_no_candidate_is_judged_on_inputs_that_were_drawn_before_its_source(session):
    spec = session.catalogue.task("toy/scale")
    case = spec.cases()[0]
    numbers = iter(range(1, 1000))
    draws = SharedDraws(numbers)
    first, second = next(numbers), next(numbers)
    shared = draws.pose(spec, case, 0, first)
    assert draws.pose(spec, case, 0, second) is shared, "both were fixed before the seed was drawn"
    later = next(numbers)
    fresh = draws.pose(spec, case, 0, later)
    assert fresh.seed != shared.seed
    assert draws.pose(spec, case, 0, first) is fresh
    assert draws.pose(spec, case, 1, first).seed != fresh.seed
    seed = draws.seed(first)
    assert draws.seed(second) == seed
    assert draws.seed(next(numbers)) != seed


def test_what_passed_is_called_again_after_the_last_draw_of_a_case(session):
    cascade = Cascade(draws=3, timing="none", hunt=False)
    with Evaluator(session, workers=1, cascade=cascade) as evaluator:
        outcome = evaluator.submit("toy/scale", "toy", GOOD, dtypes=["float32"], roles=["edge"]).result(60)
    assert outcome.passed
    seen = [one.detection for one in outcome.evaluations]
    assert len(seen) % 3 == 0
    for place, detection in enumerate(seen):
        assert ("repeated" in detection.in_force) == (place % 3 == 2)
        assert detection.called_again == (place % 3 == 2)
        assert detection.level == seen[-1].level != "low"


def test_workers_of_later_candidates_have_the_statistics_imported(evaluator):
    source = "import sys\n\ndef scale(x, factor=2.0):\n    raise RuntimeError('scipy.stats' in sys.modules)\n"
    deadline = time.monotonic() + 60
    while "True" not in evaluator.submit("toy/scale", "toy", source).result(60).message:
        assert time.monotonic() < deadline
