"""The library: evaluate, run, prepare; what is planned, what is refused, and that nothing is left behind."""

from __future__ import annotations

import os
import threading
import time

import pytest
from toy import PickyBackend, Plugin, ToyBackend, implementation, scale, split, toy_plugin

import kparity
from kparity import (
    NothingEvaluatedError,
    Options,
    Selection,
    Session,
    TimingPolicy,
    UnknownNameError,
    UsageError,
    edge,
    kernel_spec,
    read_run,
    typical,
)
from kparity.sandbox.host import ProcessRunner

INLINE = Options(seed=3, timing=None, isolation="inline")
PROCESS = Options(seed=3, timing=None, timeout_s=60)
QUICK = TimingPolicy(warmup=1, minimum=3, maximum=5, budget_s=0.01)

RMS_NORM = """
import numpy as np


def rms_norm(x, weight, eps=1e-6):
    wide = x.astype(np.float32)
    square = np.mean(wide * wide, axis=-1, keepdims=True)
    return (wide / np.sqrt(square + np.float32(eps)) * weight.astype(np.float32)).astype(x.dtype)
"""


@pytest.fixture(scope="module")
def session():
    """The bundled plugins and the toy."""
    return Session(extra=[toy_plugin("good", "slow", "off_by_a_lot")])


def rms_norm(session, source, **arguments):
    arguments.setdefault("cases", ["rows=3,*"])
    arguments.setdefault("options", PROCESS)
    return session.evaluate("normalization/rms_norm", "cpu_ref", source, **arguments)


def test_source_text_that_is_right_passes_in_every_dtype(session):
    outcome = rms_norm(session, RMS_NORM)
    assert outcome.passed
    assert outcome.message == ""
    assert [one.case.dtypes["T"] for one in outcome.evaluations] == ["float32", "float16", "bfloat16"]
    for one in outcome.evaluations:
        assert one.implementation.name == "candidate"
        assert len(one.implementation.source_digest) == 16
        assert (one.isolation, one.seed, one.device.kind) == ("process", 3, "cpu")
        assert one.verdict.checks
        assert not one.measurements
    other = rms_norm(session, RMS_NORM + "\n# other text\n", dtypes=["float32"])
    assert other.evaluations[0].implementation.source_digest != outcome.evaluations[0].implementation.source_digest
    assert other.evaluations[0].inputs_digest == outcome.evaluations[0].inputs_digest


@pytest.mark.parametrize(
    ("source", "status", "message"),
    [
        (RMS_NORM.replace("* weight.astype(np.float32)", ""), "failed", "bound: "),
        (
            RMS_NORM.replace(".astype(x.dtype)\n", "\n"),
            "failed",
            "signature: output 'y' is float32[3, 1023]",
        ),
        ("import numpy as np\n\ndef rms_norm(x, weight, eps=1e-6:\n    return x\n", "error", "line 3: syntax error: "),
        (
            "\n\nimport no_such_module_here\n",
            "error",
            "line 3: ModuleNotFoundError: No module named",
        ),
        ("def norm(x, weight): return x\n", "error", "defines no function 'rms_norm'; it defines ['norm']"),
        ("rms_norm = 3\n", "error", "defines no function 'rms_norm'; it defines no function"),
        ("def rms_norm(x): return x\n", "error", "TypeError: rms_norm() "),
        (RMS_NORM.replace("return (", "return x, ("), "failed", "signature: returned 2 outputs, 1 are declared"),
        ("def rms_norm(x, weight, eps=1e-6):\n    1 / 0\n", "error", "ZeroDivisionError: division by zero"),
        ("import os\nos._exit(3)\n", "error", "the worker died: exit status 3"),
        ("raise SystemExit('bye')\n", "error", ""),
        ("", "error", "defines no function 'rms_norm'"),
    ],
)
def test_source_text_that_is_wrong_says_how(session, source, status, message):
    outcome = rms_norm(session, source, dtypes=["float16"])
    assert outcome.status == status
    assert outcome.message.startswith(message), outcome.message
    assert not outcome.passed
    assert not outcome.evaluations[0].measurements


def test_the_line_of_a_candidates_own_code_is_named(session):
    source = "def rms_norm(x, weight, eps=1e-6):\n    import numpy as np\n    return np.reshape(x, (7, 7))\n"
    assert "line 3" in rms_norm(session, source, dtypes=["float32"]).message
    broken = "def helper():\n    return [][1]\n\nhelper()\n"
    assert rms_norm(session, broken, dtypes=["float32"]).message.startswith("line 2: IndexError")


def test_a_candidate_may_have_another_entry_point_and_attributes_reach_it(session):
    source = "def twice(x, factor):\n    assert factor == 2.0\n    return x * x.dtype.type(factor)\n"
    outcome = session.evaluate("toy/scale", "toy", source, entry_point="twice", options=INLINE)
    assert outcome.passed
    with_attribute = kernel_spec(
        "demo/scale",
        inputs={"x": "n : float32"},
        outputs={"y": "n : float32"},
        cases=[edge(n=3), edge(n=3, factor=0.5)],
    )(scale_by_factor)
    session = Session(extra=[Plugin(tasks=[with_attribute], backends=[ToyBackend()])], discover=False)
    ignoring = session.evaluate("demo/scale", "toy", "def scale(x, factor): return x + x", hunt=False, options=INLINE)
    assert [one.status for one in ignoring.evaluations] == ["passed", "failed"]


def test_inline_the_hosts_own_threads_are_not_held_against_a_candidate(session):
    done, threads = threading.Event(), []

    def come_and_go():
        while not done.is_set():
            threads.append(threading.Thread(target=done.wait, args=(0.2,)))
            threads[-1].start()
            time.sleep(0.005)

    host = threading.Thread(target=come_and_go)
    host.start()
    try:
        source = "def scale(x, factor): return x * x.dtype.type(factor)"
        outcome = session.evaluate("toy/scale", "toy", source, options=INLINE)
    finally:
        done.set()
        host.join()
    assert outcome.passed
    assert "same process" in outcome.evaluations[0].detection.lacking["census"]


@pytest.mark.slow
def test_however_few_calls_are_timed_those_on_memory_seen_before_are_judged(session):
    source = "seen = {}\ndef add_bias(x, bias):\n    return seen.setdefault(id(x), (x, x + bias))[1] + 0\n"
    few = TimingPolicy(warmup=0, minimum=3, maximum=3, budget_s=0.01)
    options = Options(seed=3, timing=few, isolation="inline", repeats=0)
    chosen = {"roles": ["typical"], "dtypes": ["float32"], "hunt": False}
    for _ in range(6):
        outcome = session.evaluate("broadcast/add_bias", "cpu_ref", source, options=options, **chosen)
        assert outcome.status == "failed", outcome.message
        assert "sampled" in {check.name for check in outcome.evaluations[0].verdict.checks}


def scale_by_factor(x, factor=2.0):
    """Every element times factor."""
    return x * x.dtype.type(factor)


def test_registered_implementations_are_evaluated_by_name(session):
    assert session.evaluate("toy/scale", "toy", name="good", options=INLINE).status == "passed"
    wrong = session.evaluate("toy/scale", "toy", name="off_by_a_lot", options=INLINE)
    assert wrong.status == "failed"
    assert wrong.evaluations[0].implementation.target == "toy_kernels:off_by_a_lot"
    assert wrong.evaluations[0].implementation.owner == "toy-plugin"
    with pytest.raises(UsageError, match=r"several implementations of toy/scale: \['good', 'off_by_a_lot', 'slow'\]"):
        session.evaluate("toy/scale", "toy", options=INLINE)
    with pytest.raises(NothingEvaluatedError, match="toy has no implementation of toy/split; give its source text"):
        session.evaluate("toy/split", "toy", options=INLINE)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.evaluate("toy/scael", "toy"), "unknown task 'toy/scael'. Did you mean 'toy/scale'"),
        (lambda s: s.evaluate("rms_norm", "toy"), "unknown task 'rms_norm'. Did you mean 'normalization/rms_norm'"),
        (lambda s: s.evaluate("toy/scale", "tryton"), "unknown backend 'tryton'. Did you mean 'triton'"),
        (
            lambda s: s.evaluate("toy/scale", "toy", name="godo"),
            "unknown implementation of toy/scale on toy 'godo'.",
        ),
        (lambda s: s.evaluate("toy/scale", "toy", "x = 1", dtypes=["fp16"]), "unknown dtype 'fp16'"),
        (
            lambda s: s.evaluate("toy/scale", "toy", "x = 1", dtypes=["bfloat6"]),
            "unknown dtype 'bfloat6'. Did you mean 'bfloat16'",
        ),
        (lambda s: s.evaluate("toy/scale", "toy", "x = 1", roles=["egde"]), "unknown role 'egde'. Did you mean 'edge'"),
        (lambda s: list(s.run(["tyo/*"])), "unknown task 'tyo/*'"),
        (lambda s: list(s.run(backends=["cuad"])), "unknown backend 'cuad'. Did you mean 'cuda'"),
        (
            lambda s: list(s.run(implementations=["toy:godo"])),
            "unknown implementation 'toy:godo'. Did you mean 'toy:good'",
        ),
        (lambda s: list(s.run(coverage="fast")), "unknown coverage 'fast'; expected 'full' or 'quick'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(session, call, message):
    with pytest.raises(UsageError) as error:
        call(session)
    assert str(error.value).startswith(message)
    assert isinstance(error.value, UnknownNameError) or "coverage" in message


@pytest.mark.parametrize(
    "arguments",
    [
        {"tasks": ["toy/*"], "cases": ["n=4711*"]},
        {"tasks": ["toy/scale"], "dtypes": ["int8"]},
        {"tasks": ["toy/split"], "backends": ["toy"]},
        {"tasks": ["toy/split"], "backends": ["refs"], "roles": ["perf"]},
    ],
)
def test_a_run_that_would_evaluate_nothing_is_an_error(arguments):
    from toy import ReferenceBackend

    session = Session(extra=[toy_plugin("good", backends=[ToyBackend(), ReferenceBackend()])], discover=False)
    with pytest.raises(NothingEvaluatedError, match="nothing to evaluate"):
        list(session.run(options=INLINE, **arguments))


def test_perf_cases_run_on_a_cpu_only_when_asked_for_and_on_hardware_always(session):
    by_default = session.evaluate("toy/scale", "toy", name="good", options=INLINE)
    assert {one.case.role for one in by_default.evaluations} == {"edge", "typical"}
    assert [one.case.axes["n"] for one in by_default.evaluations] == [1, 1, 7, 7, 64, 64]
    asked = session.evaluate("toy/scale", "toy", name="good", roles=["perf"], options=INLINE)
    assert [one.case.axes["n"] for one in asked.evaluations] == [128, 128]
    assert asked.passed
    by_key = session.evaluate("toy/scale", "toy", name="good", cases=["n=128*"], options=INLINE)
    assert by_key.evaluations[0].case.role == "perf"
    gpu = Plugin(tasks=[scale], backends=[PickyBackend()], implementations=[implementation("good", backend="picky")])
    on_hardware = Session(extra=[gpu], discover=False).evaluate("toy/scale", "picky", options=INLINE)
    assert "perf" in {one.case.role for one in on_hardware.evaluations}


def test_what_is_timed_is_typical_or_perf_and_has_passed(session):
    options = Options(seed=1, timing=QUICK, isolation="inline")
    roles = {}
    for one in session.run(["toy/scale"], backends=["toy"], roles=["edge", "typical", "perf"], options=options):
        roles.setdefault((one.implementation.name, one.case.role), []).append(bool(one.measurements))
    assert {key: set(values) for key, values in roles.items() if key[0] == "good"} == {
        ("good", "edge"): {False},
        ("good", "typical"): {True},
        ("good", "perf"): {True},
    }
    assert not any(any(values) for (name, _), values in roles.items() if name == "off_by_a_lot")


def test_selections_are_globs_over_tasks_backends_labels_and_cases(session):
    def planned(**arguments):
        run = session.prepare(Selection(**arguments), INLINE)
        run.close()
        return run.planned

    assert planned(tasks=("toy/*",), backends=("to?",)) == {"toy:good": 6, "toy:slow": 6, "toy:off_by_a_lot": 6}
    assert planned(tasks=("toy/scale",), implementations=("*:good", "toy:slow")) == {"toy:good": 6, "toy:slow": 6}
    assert planned(tasks=("toy/scale",), implementations=("toy:good",), cases=("n=7,*", "*float16")) == {"toy:good": 5}
    assert planned(tasks=("toy/scale",), implementations=("toy:good",), dtypes=("float16",), roles=("edge",)) == {
        "toy:good": 2
    }


def test_quick_coverage_takes_every_problem_once_and_the_first_typical_one_in_the_default_dtype():
    def reference(x):
        """Negation."""
        return -x

    spec = kernel_spec(
        "demo/negate",
        inputs={"x": "n : T"},
        outputs={"y": "n : T"},
        dtypes={"T": ("float32", "float16", "bfloat16")},
        cases=[edge(n=1), edge(n=2), edge(n=3), edge(n=4), typical(n=5), typical(n=6)],
    )(reference)
    plugin = Plugin(tasks=[spec], backends=[ToyBackend()], implementations=[implementation("good", task="demo/negate")])
    run = Session(extra=[plugin], discover=False).prepare(Selection(coverage="quick"), INLINE)
    taken = [(one.case.axes["n"], one.case.dtypes["T"]) for one in run]
    assert [n for n, _ in taken] == [1, 2, 3, 4, 5, 6]
    assert [kind for n, kind in taken if n == 5] == ["float32"]
    assert [kind for n, kind in taken if n == 6] != ["float32"]
    assert {kind for n, kind in taken if n < 5} == {"float32", "float16", "bfloat16"}


def test_the_seed_is_recorded_and_gives_the_same_inputs_again(session):
    def digests(seed):
        options = Options(seed=seed, timing=None, isolation="inline")
        run = session.prepare(Selection(tasks=("toy/scale",), implementations=("toy:good",)), options)
        records = list(run)
        assert {one.seed for one in records} == {run.info.seed}
        return run.info.seed, [one.inputs_digest for one in records]

    first, drawn = digests(None)
    again, same = digests(first)
    other, different = digests(None)
    assert (first, drawn) == (again, same)
    assert other != first
    assert not set(different) & set(drawn)


def test_records_carry_where_and_how_they_were_made(session):
    outcome = session.evaluate("toy/scale", "toy", name="good", roles=["edge"], options=INLINE)
    one = outcome.evaluations[0]
    assert (one.device.name, one.device.kind, one.isolation) == ("Toy", "cpu", "inline")
    assert one.started_at.startswith("20")
    assert one.duration_s > 0
    assert one.compile_s > 0
    assert not one.emulated


def test_a_run_hands_out_each_record_as_it_finishes(session):
    run = session.run(["toy/scale"], implementations=["toy:slow", "toy:good"], dtypes=["float32"], options=PROCESS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOY_PIDS", os.devnull)
        started = time.monotonic()
        arrivals = [(one.implementation.name, time.monotonic() - started) for one in run]
    slow = [at for name, at in arrivals if name == "slow"]
    assert len(arrivals) == 6
    assert len(slow) == 3
    assert slow[2] - slow[0] > 0.3


def test_closing_the_generator_ends_every_worker(pids):
    session = Session(extra=[toy_plugin("slow")], discover=False)
    run = session.run(["toy/scale"], options=PROCESS)
    assert next(run).status == "passed"
    assert pids.alive_after(0)
    run.close()
    assert not pids.alive_after(5)


def interrupt(records):
    """What Ctrl-C does to a loop."""
    for _ in records:
        raise KeyboardInterrupt


def test_a_consumer_that_raises_ends_every_worker(pids):
    session = Session(extra=[toy_plugin("slow")], discover=False)
    run = session.prepare(Selection(tasks=("toy/scale",)), PROCESS)
    with pytest.raises(KeyboardInterrupt):
        interrupt(run)
    run.close()
    assert not pids.alive_after(5)


def test_a_prepared_run_that_is_closed_unused_ends_its_workers(tmp_path):
    session = Session(extra=[toy_plugin("good")], discover=False)
    run = session.prepare(Selection(tasks=("toy/scale",)), PROCESS, out=tmp_path / "run")
    (lane,) = run._lanes
    runner = lane.runner
    assert runner.alive
    run.close()
    assert not runner.alive
    assert read_run(tmp_path / "run")[1] == []


def test_closing_while_a_lost_worker_is_being_replaced_leaves_none_behind(monkeypatch):
    replacing, closed, runners = threading.Event(), threading.Event(), []
    start = ProcessRunner._start

    def start_late(runner):
        if runners:
            replacing.set()
            assert closed.wait(10)
        start(runner)
        runners.append(runner)

    monkeypatch.setattr(ProcessRunner, "_start", start_late)
    session = Session(extra=[toy_plugin("segfaults")], discover=False)
    run = session.run(["toy/scale"], dtypes=["float32"], options=PROCESS)
    assert [next(run).status, next(run).status] == ["passed", "error"]
    assert replacing.wait(10)
    run.close()
    closed.set()
    deadline = time.monotonic() + 3
    while len(runners) < 2 or runners[1].alive:
        if time.monotonic() > deadline:
            runners[1].close()
            pytest.fail("the replacement outlives the run")
        time.sleep(0.02)


def test_two_sessions_know_nothing_of_each_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = Session(extra=[toy_plugin("good")], discover=False)
    second = Session(extra=[Plugin(tasks=[split], backends=[ToyBackend()])], discover=False)
    assert list(first.catalogue.tasks) == ["toy/scale", "toy/split"]
    assert list(second.catalogue.tasks) == ["toy/split"]
    assert first.evaluate("toy/scale", "toy", options=PROCESS).passed
    assert list(tmp_path.iterdir()) == []


def test_the_module_level_functions_use_what_is_installed(install):
    install("toy-accelerator", toy="toy_plugin")
    assert kparity.evaluate("toy/scale", "toy", name="good", roles=["edge"], options=INLINE).passed
    records = list(kparity.run(["toy/*"], implementations=["toy:good"], options=INLINE))
    assert {one.task for one in records} == {"toy/scale", "toy/split"}
    assert {one.status for one in records} == {"passed"}


def test_all_that_is_public_exists_and_is_documented():
    for name in kparity.__all__:
        thing = getattr(kparity, name)
        if callable(thing) and getattr(thing, "__module__", "").startswith("kparity"):
            assert (thing.__doc__ or "").strip(), name
    assert len(set(kparity.__all__)) == len(kparity.__all__)
