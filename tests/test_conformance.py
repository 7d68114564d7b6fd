"""The conformance suite: a sound backend keeps its promises, and every fault that a backend can have is found."""

from __future__ import annotations

import functools
import json

import msgspec
import numpy as np
import pytest
from toy import Plugin, ToyBackend, toy_plugin

from kparity import DeviceInfo, Implementation, Session, Unavailable, UnknownNameError, UsageError
from kparity.conformance.certify import Examination, certify
from kparity.conformance.model import CONFORMANCE_VERSION, Certificate, Finding, read_known
from kparity.conformance.show import as_markdown, as_text
from kparity.conformance.specimens import CHEATS, PYTHON
from kparity.conformance.suite import PROMISES, examine
from kparity.conformance.workbench import NotChecked, Promise, Workbench
from kparity.testing import FAULTS, FaultyBackend

pytestmark = pytest.mark.slow

CAUGHT_BY = {
    "aliasing_put": "transfer.no_alias",
    "aliasing_get": "transfer.fresh_result",
    "read_only_get": "transfer.fresh_result",
    "narrowing": "transfer.round_trip",
    "rounding_bfloat16": "transfer.round_trip",
    "losing_signs": "transfer.round_trip",
    "flushing_subnormals": "transfer.round_trip",
    "losing_empty_shapes": "transfer.round_trip",
    "flattening_scalars": "transfer.round_trip",
    "crashing_on_empty": "transfer.round_trip",
    "garbling_strides": "transfer.any_source",
    "refusing_read_only": "transfer.any_source",
    "wrong_dtype_from_get": "transfer.round_trip",
    "taking_strangers": "transfer.refuses_strangers",
    "opening_anything": "open.refuses",
    "refusing_without_reason": "open.refuses",
    "refusing_with_another_error": "open.refuses",
    "misreporting": "open.report",
    "wait_returns_early": "calls.wait",
    "synchronize_returns_early": "calls.synchronize",
    "hanging": "calls.wait",
    "preloading_threads": "open.after_fork",
    "lost_in_fork": "open.after_fork",
    "swallowing_errors": "errors.surface",
    "dying_of_errors": "errors.leave_usable",
    "leaking_syntax_errors": "errors.candidate",
    "loading_anything": "errors.candidate",
    "claimed_dtype_fails": "claims.dtypes",
    "claimed_dtype_is_wrong": "claims.dtypes",
    "supporting_everything": "claims.refusals",
    "pretending_to_flush": "claims.flush",
    "endless_telemetry": "claims.telemetry",
    "broken_probes": "claims.probes",
    "forgetting_to_compute": "calls.fresh",
    "drifting_compiler": "calls.repeatable",
    "scribbling_on_inputs": "calls.repeatable",
    "sharing_state": "state.separate",
    "leaking": "memory.no_leak",
    "blind_to_cheating": "candidates.too_short",
    "holding_stale_memory": "claims.poison",
    "overlooking_overruns": "claims.guard",
    "forgetting_offsets": "claims.strided",
    "copying_views": "claims.strided",
    "refilling_from_the_start": "content.fresh",
    "duplicating_by_name": "content.fresh",
    "two_percent": "clock.true",
    "double": "clock.true",
    "backwards": "clock.true",
    "coarse": "clock.true",
    "too_long": "clock.calls",
    "blind": "calls.side_queue",
    "sideways": "calls.side_queue",
    "raising": "clock.true",
    "raising_later": "clock.calls",
    "deadly": "clock.true",
}


NEED_A_WORKER = ("crashing_on_empty", "deadly", "hanging")


def outcome(backend, promise):
    """One finding, in this process."""
    bench = Workbench(backend())
    bench.open()
    return examine(PROMISES[promise], bench)


def test_the_table_names_every_fault():
    assert sorted(CAUGHT_BY) == sorted(FAULTS)
    assert set(CAUGHT_BY.values()) <= set(PROMISES)


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - set(NEED_A_WORKER)))
def test_every_fault_is_found(fault, request):
    if CAUGHT_BY[fault] == "clock.true":
        request.getfixturevalue("host_clock")
    finding = outcome(FAULTS[fault], CAUGHT_BY[fault])
    assert finding.outcome == "broken", finding


def test_a_leak_shows_in_a_process_that_has_much_to_spare():
    """What a leak takes may be memory that the process had freed but kept."""
    arrays, between = [], []
    for _ in range(3000):
        arrays.append(np.ones(1 << 14, np.float32))
        between.append(np.ones(1000))
    arrays.clear()
    assert outcome(FAULTS["leaking"], "memory.no_leak").outcome == "broken"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("crashing_on_empty", "its process died: SIGABRT"),
        ("deadly", "its process died: exit status 3; it printed: the pretend clock ends its process"),
        ("hanging", "no answer within 3 s"),
    ],
)
def test_a_backend_that_takes_its_process_with_it_is_found_and_the_rest_goes_on(fault, told):
    examination = Examination(FAULTS[fault], timeout_s=3)
    try:
        finding = examination.finding(CAUGHT_BY[fault])
        following = examination.finding("open.report")
    finally:
        examination.close()
    assert finding.outcome == "broken"
    assert told in finding.detail
    assert following.outcome == "holds"


def test_a_sound_backend_keeps_every_promise_that_can_be_checked(request):
    bench = Workbench(FaultyBackend())
    bench.open()
    found = {name: examine(promise, bench) for name, promise in PROMISES.items() if name != "clock.true"}
    request.getfixturevalue("host_clock")  # which a busy machine does not disturb
    found["clock.true"] = outcome(FaultyBackend, "clock.true")
    assert {name: one.detail for name, one in found.items() if one.outcome == "broken"} == {}
    unchecked = {name for name, one in found.items() if one.outcome == "not checked"}
    assert unchecked | {"claims.flush"} == {  # whose effect a busy machine may seem to show
        "claims.refusals",
        "claims.probes",
        "claims.telemetry",
        "claims.flush",
        "claims.poison",
        "claims.guard",
        "claims.strided",
        "tasks.registered",
    }


class WithoutOperators(ToyBackend):
    """Loads no Python and has nothing in its place."""

    name = "without_operators"

    def load(self, source, entry_point):
        from kparity import CandidateError

        raise CandidateError("not my language")


def test_what_needs_a_kernel_is_not_checked_where_none_can_be_had():
    finding = outcome(WithoutOperators, "calls.wait")
    assert finding.outcome == "not checked"
    assert "gives no specimen 'doubled'" in finding.detail
    assert outcome(WithoutOperators, "candidates.zeros").outcome == "not checked"


class Picky(ToyBackend):
    """Claims one dtype."""

    name = "picky_conformance"

    def open(self, index=0):
        super().open(index)
        self.info = DeviceInfo(backend=self.name, name="Picky", kind="cpu", dtypes=("float32",))
        return self.info


def test_unclaimed_dtypes_are_refused():
    assert outcome(Picky, "claims.refusals").outcome == "holds"


def test_a_check_that_raises_is_a_breach_and_one_that_cannot_tell_is_none():
    def raises(bench):
        raise KeyError("x")

    def cannot_tell(bench):
        raise NotChecked("no device")

    assert examine(Promise("a.b", "text", raises), None).outcome == "broken"
    assert examine(Promise("a.b", "text", cannot_tell), None) == Finding("a.b", "text", "not checked", "no device")
    with pytest.raises(UsageError, match="without a word"):
        Finding("a.b", "text", "broken")


def test_every_cheat_has_a_source():
    assert set(CHEATS) <= set(PYTHON)
    assert {f"candidates.{cheat}" for cheat in CHEATS} <= set(PROMISES)


def certificate(**outcomes):
    """A certificate with these outcomes: (outcome, known)."""
    findings = [
        Finding(name, f"promise {name}", outcome, "" if outcome == "holds" else "because", known)
        for name, (outcome, known) in outcomes.items()
    ]
    taken = certify_toy("open.report")
    return msgspec.structs.replace(taken, findings=tuple(findings))


def certify_toy(*promises, **options):
    """A certificate of the toy backend for these promises alone."""
    catalogue = Session(extra=[toy_plugin("good")], discover=False).catalogue
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kparity.conformance.certify.PROMISES", {name: PROMISES[name] for name in promises})
        return certify(catalogue, "toy", **options)


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ({"a": ("holds", "")}, 0),
        ({"a": ("holds", ""), "b": ("not checked", "")}, 0),
        ({"a": ("holds", ""), "b": ("broken", "")}, 1),
        ({"a": ("holds", ""), "b": ("broken", "known")}, 0),
        ({"a": ("holds", "stale")}, 1),
        ({"a": ("holds", ""), "b": ("not checked", "listed")}, 0),
        ({"a": ("not checked", "")}, 2),
    ],
)
def test_the_status_follows_from_the_findings(outcomes, status):
    assert certificate(**outcomes).status == status


def test_a_certificate_tells_what_holds_and_why_not():
    made = certificate(
        a=("holds", ""), b=("broken", ""), c=("not checked", ""), d=("broken", "ours"), e=("holds", "no")
    )
    text = as_text(made)
    assert "toy on Toy (cpu), from plugin toy-plugin" in text
    assert "toy 1.0" in text
    for line in ("✓ a", "✗ b", "? c", "! d", "✗ e", "known: ours", "listed as broken: no"):
        assert line in text
    assert text.endswith(
        "1 hold, 1 broken, 1 could not be checked, 1 known to be broken, "
        "1 listed as broken but hold: take them off the list"
    )
    markdown = as_markdown(made)
    assert "| ❌ broken | `b` | promise b | because |" in markdown
    assert msgspec.json.decode(msgspec.json.encode(made), type=Certificate) == made


def test_registered_kernels_serve_as_examples():
    (finding,) = certify_toy("tasks.registered").findings
    assert finding.outcome == "holds"
    wrong = [Implementation("toy/scale", "toy", "toy_kernels:off_by_a_lot", "wrong")]
    session = Session(extra=[toy_plugin(), Plugin("wrong", implementations=wrong)], discover=False)
    examination = Examination(ToyBackend, examples(session))
    try:
        finding = examination.finding("tasks.registered")
    finally:
        examination.close()
    assert finding.outcome == "broken"
    assert "toy:wrong toy/scale" in finding.detail


def examples(session):
    """Examples of the toy backend."""
    from kparity.conformance.certify import examples_of

    return examples_of(session.catalogue, "toy")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "no list of known failures"),
        ('{"conformance": 2}', "no list of known failures"),
        ('{"conformance": 0, "known": {}}', "was written for conformance 0"),
        ('{"conformance": 3, "known": {"transfer.roundtrip": "why"}}', "Did you mean 'transfer.round_trip'"),
        ('{"conformance": 3, "known": {"transfer.round_trip": " "}}', "without a reason"),
    ],
)
def test_a_list_of_known_failures_is_strict(text, told, tmp_path):
    path = tmp_path / "known.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        read_known(path, PROMISES)
    with pytest.raises(UsageError):
        read_known(tmp_path / "absent.json", PROMISES)


def test_a_known_failure_that_holds_is_stale():
    taken = certify_toy("open.report", known={"open.report": "was broken once"})
    assert taken.findings[0].verdict == "stale"
    assert taken.status == 1


def test_a_backend_that_is_not_there_cannot_be_certified():
    from toy import MissingBackend

    catalogue = Session(extra=[Plugin(backends=[MissingBackend()])], discover=False).catalogue
    with pytest.raises(Unavailable, match="nolib is not installed: pip install nolib"):
        certify(catalogue, "missing")
    with pytest.raises(UnknownNameError):
        certify(catalogue, "mising")


def test_a_backend_that_falls_over_when_opened_breaks_every_promise():
    from toy import BrokenBackend

    examination = Examination(BrokenBackend)
    try:
        finding = examination.finding("open.report")
    finally:
        examination.close()
    assert finding.outcome == "broken"
    assert "SIGABRT" in finding.detail
    assert "about to fall over" in finding.detail


class OpensBadly(ToyBackend):
    """Its open raises what its framework raises."""

    name = "opens_badly"

    def open(self, index=0):
        raise OSError("libnothing.so: cannot open shared object file")


def test_open_must_say_unavailable():
    examination = Examination(OpensBadly)
    try:
        finding = examination.finding("open.report")
    finally:
        examination.close()
    assert finding.detail == ("open raised OSError, not Unavailable: libnothing.so: cannot open shared object file")


def test_the_command_prints_a_certificate(cli, install, tmp_path, monkeypatch):
    install("toy-accelerator", toy="toy_plugin")
    few = {name: PROMISES[name] for name in ("open.report", "claims.guard")}
    monkeypatch.setattr("kparity.conformance.certify.PROMISES", few)
    done = cli("conformance", "toy", "--out", tmp_path / "toy.md")
    assert done.status == 0
    assert "from plugin toy-accelerator 1.2.3" in done.out
    assert "1 hold, 0 broken, 1 could not be checked" in done.out
    assert (tmp_path / "toy.md").read_text().startswith("# Conformance of toy\n")
    written = json.loads(cli("conformance", "toy", "--json").out)
    assert written["conformance"] == CONFORMANCE_VERSION
    assert [one["outcome"] for one in written["findings"]] == ["holds", "not checked"]
    assert cli("conformance", "toy", "--markdown").out.startswith("# Conformance of toy\n")
    known = tmp_path / "known.json"
    known.write_text(json.dumps({"conformance": CONFORMANCE_VERSION, "known": {"open.report": "long ago"}}))
    assert cli("conformance", "toy", "--known", known).status == 1
    assert cli("conformance", "toy", "--json", "--markdown").status == 2
    assert cli("conformance", "toi").status == 2
    assert cli("conformance", "toy", "--out", tmp_path / "no" / "where.json").status == 2


SUITE = """
from toy import ToyBackend
from kparity.testing import BackendConformance{imports}

class TestToy(BackendConformance):
    {body}
"""


@pytest.fixture
def collected(pytester, monkeypatch, environment):
    """Runs a test class in a pytest of its own."""
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    return functools.partial(run_class, pytester)


def run_class(pytester, body, *arguments, imports=""):
    """The outcomes of a test class in a pytest run of its own."""
    pytester.makepyfile(SUITE.format(body=body, imports=imports))
    return pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", *arguments)


def test_one_subclass_is_a_test_for_each_promise(collected):
    result = collected("backend = ToyBackend", "--collect-only")
    assert sum("test_promise[" in line for line in result.outlines) == len(PROMISES)


def test_the_class_passes_skips_and_fails_as_the_promises_do(collected):
    result = collected("backend = ToyBackend", "-k", "transfer or guard", "-rs")
    assert result.parseoutcomes() == {"passed": 5, "skipped": 1, "deselected": len(PROMISES) - 6}
    result.stdout.fnmatch_lines(["*not checked: no capability*"])


def test_the_class_knows_known_failures(collected):
    body = "backend = Narrowing\n    known = {'transfer.round_trip': 'too narrow', 'open.report': 'long ago'}"
    result = collected(
        body, "-k", "round_trip or no_alias or open", imports="\nfrom kparity.testing.broken_transfers import Narrowing"
    )
    outcomes = result.parseoutcomes()
    assert (outcomes["xfailed"], outcomes["failed"], outcomes["passed"]) == (1, 1, 3)
    result.stdout.fnmatch_lines(["*open.report holds, but is listed as broken: long ago*"])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["cpu_ref", "torch", "triton", "jax", "cuda"])
def test_the_built_in_backends_conform(backend):
    try:
        taken = certify(Session().catalogue, backend)
    except Unavailable as error:
        pytest.skip(str(error))
    assert {one.promise: one.detail for one in taken.findings if one.outcome == "broken"} == {}
    assert taken.count("holds") >= 20, as_text(taken)
