"""Records: nonsense cannot be built, and what is written is what is read."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import scale

from kparity import CheckResult, DeviceInfo, Evaluation, Measurement, RunInfo, UsageError, Verdict
from kparity.environment import HostInfo
from kparity.evaluation import overall
from kparity.records import STATUSES, DeviceRef, ImplementationInfo, quantile

PASSED = CheckResult("bound", "passed", "", {"worst_error_over_bound": 0.25, "draws": 16})
FAILED = CheckResult("bound", "failed", "3 of 9 are off", {"wrong": 3, "output": "y"})
UNSURE = CheckResult("extra", "inconclusive", "the check raised")


def times(measurand="end_to_end", samples=(2e-3, 1e-3, 3e-3)):
    return Measurement(measurand=measurand, clock="host", resolution_s=1e-9, samples_s=tuple(samples), warmup=3)


def evaluation(**changes):
    """A complete record of a passed case."""
    complete = {
        "task": "toy/scale",
        "case": scale.cases()[0],
        "implementation": ImplementationInfo("toy", "good", "toy-plugin", "toy_kernels:good"),
        "device": DeviceRef("Toy", "cpu"),
        "verdict": Verdict.of_checks([PASSED]),
        "measurements": (times(),),
        "compile_s": 0.125,
        "seed": 2**48 - 1,
        "inputs_digest": "00ff" * 4,
        "output": "printed ✓ \x00 \N{SNOWMAN}",
    }
    return Evaluation(**{**complete, **changes})


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: Verdict("passed"), "needs at least one check"),
        (lambda: Verdict("passed", (PASSED, FAILED)), "all of them passed"),
        (lambda: Verdict("passed", (PASSED, UNSURE)), "all of them passed"),
        (lambda: Verdict("failed"), "needs a failed check"),
        (lambda: Verdict("failed", (PASSED,), "because"), "needs a failed check"),
        (lambda: Verdict("error"), "'error' needs a message"),
        (lambda: Verdict("unsupported"), "'unsupported' needs a message"),
        (lambda: Verdict("inconclusive", (UNSURE,)), "'inconclusive' needs a message"),
        (lambda: Verdict.unsupported(""), "needs a message"),
        (lambda: times(samples=()), "needs samples"),
        (lambda: times(samples=(1e-3, 0.0)), "each longer than zero"),
        (lambda: times(samples=(1e-3, -1e-3)), "each longer than zero"),
        (lambda: evaluation(verdict=Verdict.of_checks([FAILED])), "'failed' cannot carry times"),
        (lambda: evaluation(verdict=Verdict.of_error("crash")), "'error' cannot carry times"),
        (lambda: evaluation(verdict=Verdict.unsupported("no bfloat16")), "'unsupported' cannot carry times"),
        (lambda: evaluation(verdict=Verdict.of_checks([])), "'inconclusive' cannot carry times"),
        (lambda: evaluation(emulated=True), "emulated evaluation cannot carry times"),
        (lambda: evaluation(measurements=(times(), times())), "each measurand once"),
    ],
)
def test_what_makes_no_sense_cannot_be_built(build, complaint):
    with pytest.raises(UsageError, match=complaint):
        build()


@pytest.mark.parametrize("samples", [(float("nan"),), (1e-3, float("nan")), (float("inf"),)])
def test_a_time_is_a_finite_number(samples):
    with pytest.raises(UsageError, match="needs samples"):
        times(samples=samples)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_check_that_reports_no_finite_number_is_refused_or_survives_json(number):
    try:
        result = CheckResult("extra", "passed", "", {"ratio": number})
    except UsageError:
        return
    record = evaluation(verdict=Verdict.of_checks([result]))
    assert msgspec.json.decode(msgspec.json.encode(record), type=Evaluation).verdict.checks[0].name == "extra"


def test_records_cannot_be_changed():
    record = evaluation()
    for name, value in (("verdict", Verdict.of_error("x")), ("measurements", ()), ("seed", 1)):
        with pytest.raises(AttributeError):
            setattr(record, name, value)
    with pytest.raises(AttributeError):
        record.verdict.status = "failed"


@pytest.mark.parametrize(
    ("checks", "status", "message"),
    [
        ([PASSED], "passed", ""),
        ([PASSED, UNSURE, FAILED], "failed", "bound: 3 of 9 are off"),
        ([PASSED, UNSURE], "inconclusive", "extra: the check raised"),
        ([], "inconclusive", "no check examined the output"),
    ],
)
def test_a_verdict_is_the_conjunction_of_its_checks(checks, status, message):
    verdict = Verdict.of_checks(checks)
    assert (verdict.status, verdict.message) == (status, message)
    assert verdict.checks == tuple(checks)


RECORDS = st.builds(
    evaluation,
    verdict=st.sampled_from([Verdict.of_checks([PASSED]), Verdict("passed", (PASSED, PASSED))]),
    measurements=st.lists(
        st.builds(
            times,
            samples=st.lists(st.floats(1e-12, 1e6), min_size=1, max_size=5),
            measurand=st.sampled_from(["device", "end_to_end", "dispatch"]),
        ),
        max_size=3,
        unique_by=lambda one: one.measurand,
    ).map(tuple),
    output=st.text(),
    compile_s=st.none() | st.floats(0, 1e6),
    seed=st.integers(0, 2**63 - 1),
    case=st.sampled_from(scale.cases()),
)


@given(RECORDS)
def test_an_evaluation_survives_json(record):
    text = msgspec.json.encode(record)
    assert b"\n" not in text
    assert msgspec.json.decode(text, type=Evaluation) == record


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": Verdict.of_checks([FAILED, UNSURE]), "measurements": ()},
        {"verdict": Verdict.of_error("SIGSEGV"), "measurements": (), "compile_s": None, "device": None},
        {"verdict": Verdict.unsupported("Toy has no float16"), "measurements": (), "emulated": True},
        {"isolation": "inline"},
    ],
)
def test_every_kind_of_evaluation_survives_json(changes):
    record = evaluation(**changes)
    assert msgspec.json.decode(msgspec.json.encode(record), type=Evaluation) == record


def test_json_that_makes_no_sense_is_not_decoded():
    text = msgspec.json.encode(evaluation()).replace(b'"status":"passed"', b'"status":"failed"', 1)
    with pytest.raises((UsageError, msgspec.ValidationError)):
        msgspec.json.decode(text, type=Evaluation)


def test_a_run_survives_json():
    info = RunInfo(
        kparity="0.1.0",
        started_at="2024-02-29T12:00:00+00:00",
        seed=3,
        host=HostInfo("Linux", "CPU", 2, "3.11"),
        devices=(DeviceInfo(backend="toy", name="Toy", kind="cpu", index=1, notes=("emulated",)),),
        unavailable={"missing": "nolib is not installed: pip install nolib"},
        plugins={"toy": "1.2.3"},
        options={"tasks": ["toy/*"], "timing.warmup": 3, "seed": None},
    )
    assert msgspec.json.decode(msgspec.json.encode(info), type=RunInfo) == info
    assert info.devices[0].label == "Toy #1"


def test_labels_and_lookups():
    record = evaluation()
    assert record.implementation.label == "toy:good"
    assert ImplementationInfo("toy", "toy").label == "toy"
    assert record.status == "passed"
    assert record.time("end_to_end") is record.measurements[0]
    assert record.time("device") is None


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=40), st.floats(0, 1))
def test_quantiles_are_numpys(values, q):
    assert quantile(values, q) == pytest.approx(float(np.quantile(values, q)), rel=1e-9)


def test_median_and_spread_of_the_samples():
    assert times().median_s == 2e-3
    assert times().spread == pytest.approx(0.5)
    assert times(samples=(5.0,)).spread == 0


@given(st.lists(st.sampled_from(STATUSES), min_size=1, max_size=6))
def test_the_worst_status_of_several_counts(statuses):
    verdicts = {
        "passed": Verdict.of_checks([PASSED]),
        "failed": Verdict.of_checks([FAILED]),
        "error": Verdict.of_error("crash"),
        "unsupported": Verdict.unsupported("no"),
        "inconclusive": Verdict.of_checks([UNSURE]),
    }
    worst = overall(evaluation(verdict=verdicts[status], measurements=()) for status in statuses)
    order = ["error", "failed", "inconclusive", "passed", "unsupported"]
    assert worst == min(statuses, key=order.index)
