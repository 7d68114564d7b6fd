"""The sandbox: an implementation that misbehaves spoils its own record and nothing else."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import threading
import time

import numpy as np
import pytest
from toy import (
    BrokenBackend,
    DiesWhenPreloaded,
    MissingBackend,
    NotToBeForked,
    PickyBackend,
    Plugin,
    RaisesWhenPreloaded,
    SociableBackend,
    ToyBackend,
    implementation,
    scale,
    split,
    toy_plugin,
)

from kparity import Limits, Options, Session, TimingPolicy, Unavailable, WorkerError
from kparity.sandbox import wire
from kparity.sandbox.arena import Arena, ArenaView, Block
from kparity.sandbox.host import ProcessRunner
from kparity.sandbox.nursery import Nursery
from kparity.sandbox.pool import WorkerPool

PROCESS = Options(seed=3, timing=None, timeout_s=60)
INLINE = Options(seed=3, timing=None, isolation="inline")

RAISING = {
    "raises": ("error", r"ArithmeticError: seven is too hard \(toy_kernels\.py, line \d+\)"),
    "returns_none": ("error", r"output 'y' is a builtins\.NoneType, which is no array of toy"),
    "returns_list_of_floats": ("error", r"output 'y' is a builtins\.float, which is no array of toy"),
    "returns_nothing": ("failed", r"signature: returned 0 outputs, 1 are declared"),
    "returns_too_many": ("failed", r"signature: returned 2 outputs, 1 are declared"),
    "wrong_shape": ("failed", r"signature: output 'y' is float32\[6\], declared is float32\[7\]"),
    "extra_axis": ("failed", r"signature: output 'y' is float32\[1, 7\], declared is float32\[7\]"),
    "wrong_dtype": ("failed", r"signature: output 'y' is float64\[7\], declared is float32\[7\]"),
    "foreign_dtype": ("failed", r"signature: output 'y' is complex64\[7\], declared is float32\[7\]"),
    "object_dtype": ("failed", r"signature: output 'y' is object\[7\], declared is float32\[7\]"),
    "subclass": ("error", r"output 'y' is a numpy\.ma\.\w*\.?MaskedArray, which is no array of toy"),
    "modifies_input": ("failed", r"inputs_unchanged: the implementation modified its inputs"),
    "fails_on_seven": ("failed", r"bound: 7 of 7 elements of 'y' are off"),
}
DYING = {
    "segfaults": ("error", r"the worker died: SIGSEGV"),
    "exits_early": ("error", r"the worker died: exit status 0"),
    "leaves_politely": ("error", r"the worker died: exit status 0|SystemExit"),
    "closes_descriptors": ("error", r"the worker died"),
    "scribbles_on_descriptors": ("error", r"broke the protocol|the worker died|breaks the protocol"),
}


def evaluate(kernels, options, **selection):
    """Every kernel on the cases of `toy/scale`, in float32 unless told; records by kernel, in order."""
    session = Session(extra=[toy_plugin(*kernels)], discover=False)
    records = {kernel: [] for kernel in kernels}
    for one in session.run(["toy/scale"], options=options, **{"dtypes": ["float32"], **selection}):
        records[one.implementation.name].append(one)
    return records


def check(records, expected):
    """On seven elements the outcome is as expected; before and after it, everything passes."""
    observed = {}
    for kernel, (first, seven, last) in records.items():
        observed[kernel] = (first.status, seven.status, last.status)
        assert re.search(expected[kernel][1], seven.verdict.message), (kernel, seven.verdict.message)
        assert (first.case.axes, seven.case.axes, last.case.axes) == ({"n": 1}, {"n": 7}, {"n": 64})
    assert observed == {kernel: ("passed", status, "passed") for kernel, (status, _) in expected.items()}


@pytest.mark.parametrize("options", [INLINE, PROCESS], ids=["inline", "process"])
def test_what_misbehaves_without_dying_is_judged_alone(options):
    expected = dict(RAISING)
    if options.isolation == "process":  # what cannot travel is not judged
        expected["foreign_dtype"] = ("error", "returned an array of complex64, which is no dtype of kparity's")
        expected["object_dtype"] = ("error", "returned an array of object, which is no dtype of kparity's")
    records = evaluate(RAISING, options)
    check(records, expected)
    assert {one.isolation for several in records.values() for one in several} == {options.isolation}


def test_what_kills_its_process_is_an_error_of_that_case_alone():
    check(evaluate([*DYING, "good"], PROCESS), DYING | {"good": ("passed", "")})


@pytest.mark.slow
def test_what_hangs_is_ended_with_everything_that_it_started(pids):
    options = Options(seed=3, timing=None, timeout_s=5)
    expected = dict.fromkeys(["hangs", "ignores_signals_and_hangs"], ("error", r"no answer within 5 s"))
    check(evaluate(expected, options), expected)
    assert len(pids.read()) == 2
    assert not pids.alive_after(5)


def test_what_is_printed_is_captured_bounded_and_kept_for_what_failed(capfd):
    records = evaluate(["fails_on_seven", "exits_early", "prints_a_lot"], PROCESS)
    _, seven, last = records["fails_on_seven"]
    assert seven.output == "seven is printed"
    assert last.output == ""
    twice = evaluate(["fails_on_seven"], PROCESS, dtypes=["float32", "float16"])["fails_on_seven"]
    assert [one.output for one in twice] == ["", "", "seven is printed", "seven is printed", "", ""]
    assert records["exits_early"][1].output == "bye"
    flood = records["prints_a_lot"][1]
    assert flood.status == "failed"
    assert flood.output.endswith("the last line")
    assert 100 < len(flood.output) <= 4096
    assert [one.status for one in records["prints_a_lot"]] == ["passed", "failed", "passed"]
    captured = capfd.readouterr()
    assert "seven is printed" not in captured.out + captured.err


def test_a_kernel_that_fails_only_while_being_timed_does_not_pass():
    timing = TimingPolicy(warmup=1, minimum=2, maximum=3, budget_s=0.01)
    records = evaluate(["fails_when_timed", "good"], Options(seed=3, timing=timing, repeats=0))
    assert [one.status for one in records["fails_when_timed"]] == ["passed", "passed", "error"]
    assert "while being timed: ArithmeticError: tired" in records["fails_when_timed"][2].verdict.message
    good = records["good"]
    assert [bool(one.measurements) for one in good] == [False, False, True]
    (measurement,) = [one for one in good[2].measurements if one.measurand == "end_to_end"]
    assert min(measurement.samples_s) > 0
    assert good[2].compile_s is not None


def test_a_worker_that_dies_every_time_ends_with_one_error_for_each_case():
    records = evaluate(["crashes", "good"], PROCESS)
    assert [one.verdict.message for one in records["crashes"]] == ["the worker died: SIGKILL"] * 3
    assert [one.status for one in records["good"]] == ["passed"] * 3


def test_a_backend_that_dies_while_it_opens_is_unavailable_with_what_it_printed():
    both = [implementation("good"), implementation("good", backend="broken")]
    plugin = Plugin(tasks=[scale], backends=[ToyBackend(), BrokenBackend()], implementations=both)
    session = Session(extra=[plugin], discover=False)
    broken = session.devices()["broken"]
    assert isinstance(broken, Unavailable)
    assert "broken cannot be opened: the worker died: SIGABRT" in broken.reason
    assert "about to fall over" in broken.remedy
    run = session.prepare(options=PROCESS)
    assert list(run.info.unavailable) == ["broken"]
    assert {one.status for one in run} == {"passed"}


def test_several_outputs_travel_and_inputs_of_every_case_are_the_same_bytes_in_both_isolations():
    plugin = Plugin(
        tasks=[scale, split],
        backends=[ToyBackend()],
        implementations=[implementation("good"), implementation("split", task="toy/split", name="good")],
    )
    session = Session(extra=[plugin], discover=False)
    records = [list(session.run(options=options)) for options in (INLINE, PROCESS)]
    assert [one.status for one in records[0] + records[1]] == ["passed"] * 16
    digests = [{one.case.task + one.case.key: one.inputs_digest for one in several} for several in records]
    assert digests[0] == digests[1]
    assert len(set(digests[0].values())) == 8


@pytest.mark.parametrize("isolation", ["inline", "process"])
def test_support_is_asked_for_each_case(isolation):
    plugin = Plugin(tasks=[scale], backends=[PickyBackend()], implementations=[implementation("good", backend="picky")])
    session = Session(extra=[plugin], discover=False)
    options = Options(seed=3, isolation=isolation, timing=TimingPolicy(warmup=0, minimum=1, maximum=1))
    by_size = {(one.case.axes["n"], one.case.dtypes["T"]): one for one in session.run(options=options)}
    assert len(by_size) == 8
    assert by_size[1, "float32"].status == "passed"
    assert (by_size[7, "float32"].status, by_size[7, "float32"].emulated) == ("passed", True)
    for size in (64, 128):
        refused = by_size[size, "float32"]
        assert (refused.status, refused.verdict.message) == ("unsupported", "more than seven is too many")
    assert by_size[1, "float16"].verdict.message == "Picky has no float16"
    assert not any(one.measurements for one in by_size.values())


def test_a_runner_that_is_closed_again_leaves_the_files_alone_that_were_opened_since():
    runner = ProcessRunner(ToyBackend(), 30)
    runner.open(0)
    runner.close()
    files = [end for _ in range(8) for end in os.pipe()]
    runner.close()
    for descriptor in files:
        os.close(descriptor)  # raises where it is closed already
    assert not runner.alive
    assert runner.output() == ""
    with pytest.raises(WorkerError, match="the worker was ended"):
        runner.load(target="toy_kernels:good")


def test_a_runner_that_another_thread_closes_tells_who_was_asking(tmp_path):
    runner = ProcessRunner(ToyBackend(), 60)
    runner.open(0)
    busy, heard = tmp_path / "busy", []

    def ask():
        try:
            source = f"import time\nopen({str(busy)!r}, 'w').close()\ntime.sleep(60)\n"
            runner.load(source=source, entry_point="scale")
        except WorkerError as error:
            heard.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    while not busy.exists():
        assert asking.is_alive()
        time.sleep(0.01)
    runner.close()
    asking.join(30)
    assert heard == ["the worker died: SIGKILL"]


def test_an_answer_to_another_request_or_from_another_worker_is_refused():
    runner = ProcessRunner(ToyBackend(), timeout_s=30)
    try:
        runner.open(0)
        runner.load(target="toy_kernels:good")
        assert runner.supports(scale.cases()[0]).answer == "yes"
        runner._link.send(wire.Envelope(4711, wire.Supports(scale.cases()[0])), time.monotonic() + 30)
        with pytest.raises(WorkerError, match=r"wrong correlation id or nonce|spoke before it was asked"):
            runner.supports(scale.cases()[0])
    finally:
        runner.close()
    runner = ProcessRunner(ToyBackend(), timeout_s=30)
    try:
        runner.open(0)
        runner._nonce = "0" * 32
        with pytest.raises(WorkerError, match="wrong correlation id or nonce"):
            runner.load(target="toy_kernels:good")
    finally:
        runner.close()


@pytest.mark.parametrize("kind", ["float32", "float64", "bfloat16", "float8_e5m2", "int8", "uint64", "bool"])
def test_arrays_of_any_shape_travel_through_shared_memory_unchanged(kind):
    from kparity import dtypes

    judge = Arena()
    worker = ArenaView(judge.fileno())
    rng = np.random.default_rng(1)
    shapes = [(), (0,), (3, 0, 2), (1,), (1000, 3), (2, 3, 5, 7), (1 << 16,)]
    sent = [rng.integers(0, 2, shape).astype(dtypes.dtype(kind)) for shape in shapes]
    blocks, start, end = judge.write(sent, 2 << 20)
    received = worker.read(blocks)
    for one, other in zip(sent, received, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_array_equal(one, other)
        assert not other.flags.writeable
    answer = worker.write([one.T for one in sent], start, end)
    for one, other in zip(judge.read(answer, start, end), sent, strict=True):
        np.testing.assert_array_equal(one, other.T)
    for one, other in zip(worker.read(blocks), sent, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="do not fit"):
        worker.write(sent, start, start + 4096)
    judge.close()


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        ([Block(1 << 40, (4,), "float32")], "lies outside"),
        ([Block(0, (4,), "float32")], "lies outside"),  # the inputs' place
        ([Block(-128, (4,), "float32")], "breaks the protocol"),
        ([Block(4096, (-4,), "float32")], "breaks the protocol"),
        ([Block(4096, (1 << 40,), "float32")], "lies outside"),
        ([Block(4096, (1 << 60, 1 << 60), "float32")], "breaks the protocol"),
        ([Block(4096, (1,) * 40, "float32")], "breaks the protocol"),
        ([Block(4096, (0, 1 << 47, 1 << 47), "float32")], "is no array"),
        ([Block(4096, (4,), "complex64")], "no dtype of kparity's"),
        ([Block(4096, (512,), "float32")] * 2, "overlap"),
        ([Block(4096, (0,), "float32")] * 1000, "1000 blocks"),
    ],
)
def test_blocks_that_are_no_outputs_are_refused(blocks, problem):
    arena = Arena()
    _, _, end = arena.write([np.zeros(1024, np.float32)], 1024 * 2)
    assert arena.read([Block(4096, (512,), "float32")], 4096, end)[0].shape == (512,)
    with pytest.raises(WorkerError, match=problem):
        arena.read(blocks, 4096, end)
    arena.close()


def test_the_worker_can_neither_shrink_the_arena_nor_seal_it():
    arena = Arena()
    _, start, end = arena.write([np.ones(1024, np.float32)], 4096)
    with pytest.raises(PermissionError):
        os.ftruncate(arena.fileno(), 100)
    with pytest.raises(PermissionError):
        fcntl.fcntl(arena.fileno(), fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    ArenaView(arena.fileno()).write([np.ones(8)], start, end)
    assert arena.write([np.ones(1 << 20)], 4096)[0]
    arena.close()


def test_a_pool_hands_out_opened_workers_and_starts_others_ahead_of_need():
    with WorkerPool(ToyBackend(), warm=2) as pool:
        first, second = pool.take(), pool.take()
        assert first.device.name == "Toy"
        for runner, _ in (first, second):
            runner.load(target="toy_kernels:good")
            runner.close()
        deadline = time.monotonic() + 30
        while pool.ready() < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert pool.ready() == 2
        waiting = pool._ready[0].runner
    assert not waiting.alive
    with pytest.raises(WorkerError, match="is closed"):
        pool.take()


def test_a_pool_opens_several_workers_at_the_same_time(pids):
    with WorkerPool(SociableBackend(), warm=2, at_once=2) as pool:
        for runner, device in (pool.take(), pool.take()):
            assert device.name == "Toy"
            runner.close()
    assert len(pids.read()) >= 2


def test_a_pool_says_why_it_has_none_and_tries_again():
    for backend, reason in ((MissingBackend(), "nolib is not installed"), (BrokenBackend(), "SIGABRT")):
        with WorkerPool(backend) as pool:
            for _ in range(2):
                with pytest.raises(Unavailable, match=reason):
                    pool.take()


def test_a_pool_does_not_hand_out_a_worker_that_died_waiting():
    with WorkerPool(ToyBackend()) as pool:
        deadline = time.monotonic() + 30
        while not pool.ready() and time.monotonic() < deadline:
            time.sleep(0.01)
        child = pool._ready[0].runner._child
        child.leash.shutdown(socket.SHUT_WR)
        assert child.ended(30)
        taken = pool.take()
        taken.runner.load(target="toy_kernels:good")
        taken.runner.close()


def test_a_backend_that_dies_or_raises_while_it_preloads_still_has_workers():
    for backend in (DiesWhenPreloaded(), RaisesWhenPreloaded(), NotToBeForked()):
        with Nursery() as nursery:
            runner = ProcessRunner(backend, 30, nursery, Limits())
            assert runner.open(0).name == "Toy"
            assert not runner.assurance.trusted
            started = {"raises": "fork"}.get(backend.name, "spawn")
            assert runner.assurance.started == started
            runner.close()


def test_cupy_keeps_its_kernels_where_the_worker_says_although_another_process_imported_it(python, tmp_path):
    pytest.importorskip("cupy")
    program = (
        "import cupy, os, sys\n"
        "from cupy.cuda import compiler\n"
        "from kparity_cuda.gpu import follow_the_cache_folder\n"
        "os.environ['CUPY_CACHE_DIR'] = sys.argv[1]\n"
        "follow_the_cache_folder()\n"
        "backend = getattr(compiler, '_kernel_cache_backend', None)\n"
        "print(backend._cache_dir if backend is not None else sys.argv[1])"
    )
    done = python("-c", program, str(tmp_path / "mine"))
    assert done.stdout.strip() == str(tmp_path / "mine"), done.stderr
