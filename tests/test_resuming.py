"""A run that was interrupted: nothing is lost, nothing done twice, and never mixed with another environment."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import msgspec
import pytest
from toy import MissingBackend, toy_plugin

from kparity import (
    KparityError,
    Options,
    Selection,
    Session,
    Shard,
    TimingPolicy,
    UsageError,
    Verdict,
    open_run,
    read_run,
)
from kparity.environment import GitState
from kparity.past import Past
from kparity.sandbox.limits import Limits
from kparity.sharding import assign
from kparity.store import RunFolder

OPTIONS = Options(seed=9, timing=None, isolation="inline")
EDGES = Selection(tasks=("toy/scale",), roles=("edge",))


@pytest.fixture
def session():
    return Session(extra=[toy_plugin("good", "fails_on_seven")], discover=False)


@pytest.fixture
def half(session, tmp_path):
    """A run of eight evaluations, killed after three."""
    run = session.prepare(EDGES, OPTIONS, out=tmp_path / "run")
    stream = iter(run)
    for _ in range(3):
        next(stream)
    stream.close()
    return tmp_path / "run"


def places(evaluations):
    return sorted((one.implementation.label, one.case.key) for one in evaluations)


def rewrite(folder, **changes):
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_only_what_is_missing_is_evaluated(session, half):
    before = (half / "evaluations.jsonl").read_bytes()
    run = session.resume(half)
    assert (run.finished, run.total) == (3, 5)
    made = list(run)
    assert len(made) == 5
    after = (half / "evaluations.jsonl").read_bytes()
    assert after.startswith(before), "what was written stays as it is"
    info, everything = read_run(half)
    assert len(set(places(everything))) == len(everything) == 8
    assert {one.seed for one in everything} == {9}
    assert len(info.resumed) == 1
    assert info.resumed[0].forced == ()
    assert session.resume(half).total == 0
    assert len(read_run(half)[1]) == 8


def test_failed_verdicts_are_kept_and_lost_workers_tried_again(session, half):
    for _ in session.resume(half):
        pass
    _, everything = read_run(half)
    bad = next(one for one in everything if one.status == "failed")
    good = next(one for one in everything if one.status == "passed")
    folder = RunFolder(half)
    folder.append(msgspec.structs.replace(good, verdict=Verdict.of_error("the worker died"), worker_lost=True))
    folder.close()
    assert sum(one.worker_lost for one in open_run(half)) == 1
    run = session.resume(half)
    made = list(run)
    assert places(made) == places([good])
    assert made[0].status == "passed"
    assert places([bad]) != places(made)
    final = read_run(half)[1]
    assert len(final) == 8, "the newest record of each evaluation"
    assert not any(one.worker_lost for one in final)
    assert open_run(half).repeated == 2


@pytest.mark.parametrize("cut", [1, 2, 60, 500])
def test_a_torn_last_line_is_mended_before_anything_is_appended(session, half, cut):
    path = half / "evaluations.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    for _ in session.resume(half):
        pass
    assert len(read_run(half)[1]) == 8
    torn = half / "evaluations.torn"
    if cut == 1:
        assert not torn.exists(), "only the end of line was missing"
        assert path.read_bytes().startswith(whole)
    else:
        assert torn.read_bytes().rstrip(b"\n") == whole[:-cut].rpartition(b"\n")[2], "set aside, not lost"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kparity": "0.0.1"}, "kparity was 0.0.1, is"),
        ({"plugins": {"toy-accelerator": "2.0"}}, "plugin toy-accelerator was 2.0, is absent"),
        ({"sources": {"kparity": {"commit": "f" * 40, "dirty": False}}}, "sources of kparity was ffffffffffff, is"),
    ],
    ids=["version", "plugin", "commit"],
)
def test_other_software_is_refused_unless_forced_and_recorded(session, half, changes, message):
    rewrite(half, **changes)
    before = (half / "run.json").read_bytes()
    with pytest.raises(UsageError, match=message) as caught:
        session.resume(half)
    assert "--force" in str(caught.value)
    assert (half / "run.json").read_bytes() == before
    assert len(list(session.resume(half, force=True))) == 5
    info, everything = read_run(half)
    assert any(message in one for one in info.resumed[0].forced)
    assert len(everything) == 8


def test_another_device_is_refused_and_with_force_evaluated_from_the_start(session, half):
    info = json.loads((half / "run.json").read_text())
    device = {**info["devices"][0], "uuid": "TOY-1", "versions": {"toy": "0.9"}}
    rewrite(half, devices=[device])
    lines = (half / "evaluations.jsonl").read_text().splitlines()
    moved = [{**one, "device": {**one["device"], "uuid": "TOY-1"}} for one in map(json.loads, lines)]
    (half / "evaluations.jsonl").write_text("".join(json.dumps(one) + "\n" for one in moved))
    with pytest.raises(UsageError, match=r"toy was 0\.9, is 1\.0") as caught:
        session.resume(half)
    assert "TOY-1" in str(caught.value)
    run = session.resume(half, force=True)
    assert run.total == 8, "verdicts of the other device say nothing of this one"
    assert len(list(run)) == 8
    assert len(read_run(half)[1]) == 11


def test_a_device_that_is_gone_is_refused(half):
    class Gone(MissingBackend):
        name = "toy"

    gone = Session(extra=[toy_plugin("good", "fails_on_seven", backends=[Gone()])], discover=False)
    with pytest.raises(UsageError, match="toy: was available, is not: nolib is not installed"):
        gone.resume(half)


def _hold(path, ready, done):
    folder = RunFolder(path)
    ready.set()
    done.wait(60)
    folder.close()


def test_two_processes_never_write_to_one_folder(session, half):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(half, ready, done))
    process.start()
    try:
        assert ready.wait(60)
        with pytest.raises(UsageError, match="is being written by another process"):
            session.resume(half)
    finally:
        done.set()
        process.join(60)
    assert len(list(session.resume(half))) == 5


@pytest.mark.slow
def test_a_candidates_run_is_not_resumed(session, tmp_path):
    source = "def scale(x, factor):\n    return x * x.dtype.type(factor)\n"
    session.evaluate("toy/scale", "toy", source, roles=["edge"], options=OPTIONS, out=tmp_path / "run")
    with pytest.raises(UsageError, match="run 'kparity verify' again"):
        session.resume(tmp_path / "run")
    with pytest.raises(KparityError, match="is no run folder"):
        session.resume(tmp_path / "nowhere")


def test_shards_partition_the_plan_and_stay_what_they_are_when_resumed(session, tmp_path):
    everything = places(session.prepare(EDGES, OPTIONS))
    parts = []
    for index in (1, 2, 3):
        run = session.prepare(EDGES, OPTIONS, out=tmp_path / f"{index}", shard=Shard(index, 3))
        stream = iter(run)
        next(stream)
        stream.close()
        rest = session.resume(tmp_path / f"{index}")
        assert rest.total == run.total - 1
        list(rest)
        info, made = read_run(tmp_path / f"{index}")
        parts.append(places(made))
        assert str(info.shard) == f"{index}/3"
    assert sorted(place for part in parts for place in part) == everything
    assert len({read_run(tmp_path / f"{index}")[0].shard.plan for index in (1, 2, 3)}) == 1
    for part in parts:
        cases = {case for _, case in part}
        assert len(part) == 2 * len(cases), "all line-ups of a case stand together"


def test_a_shard_without_a_seed_or_without_work_is_refused(session):
    with pytest.raises(UsageError, match="without --seed"):
        session.prepare(EDGES, Options(timing=None), shard=Shard(1, 2))
    with pytest.raises(KparityError, match="shard 9/9 holds nothing: only 4 cases are planned"):
        session.prepare(EDGES, OPTIONS, shard=Shard(9, 9))
    for text in ("0/2", "3/2", "2", "a/b", "1/2/3", "-1/2"):
        with pytest.raises(UsageError, match="expected"):
            Shard.parse(text)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_every_shard_gets_as_much_of_every_role_but_for_one_case(count):
    catalogue = Session().catalogue
    planned = [
        (one.label, case)
        for name in catalogue.tasks
        for case in catalogue.task(name).cases()
        for backend in catalogue.backends
        for one in catalogue.implementations(name, backend)
    ]
    parts = assign(planned, count)
    assert assign(reversed(planned), count) == parts, "the order of the plan does not matter"
    heaviest = max(Counter((case.task, case.key) for _, case in planned).values())
    for role in ("edge", "typical", "perf"):
        loads = [0] * (count + 1)
        for _, case in planned:
            if case.role == role:
                loads[parts[case.task, case.key]] += 1
        assert max(loads[1:]) - min(loads[1:]) <= heaviest


def test_run_json_says_where_the_sources_stood(half):
    info, _ = read_run(half)
    state = info.sources.get("kparity")
    assert state is None or (isinstance(state, GitState) and len(state.commit) == 40)
    assert info.id
    assert len(info.host.machine) == 16


def test_every_option_comes_back_as_it_was(session, tmp_path):
    changed = {
        "seed": 9,
        "isolation": "inline",
        "timing": TimingPolicy(budget_s=0.25, minimum=3),
        "timeout_s": 7.0,
        "jobs": 3,
        "limits": Limits(memory_bytes=1 << 30, environment=("ONE", "TWO")),
        "repeats": 5,
        "watch": "all",
        "policy": "hand-written",
        "oracle_cache": False,
    }
    assert set(changed) == set(Options.__struct_fields__), "a new option must come back too"
    selection = Selection(
        tasks=("toy/*",),
        backends=("toy",),
        implementations=("toy:*",),
        dtypes=("float16",),
        roles=("edge",),
        cases=("n=1,*",),
        coverage="quick",
        hunt=True,
    )
    assert all(getattr(selection, name) for name in Selection.__struct_fields__)
    session.prepare(selection, Options(**changed), out=tmp_path / "run").close()
    past = Past(tmp_path / "run")
    assert past.options() == Options(**changed)
    assert past.options(jobs=1).jobs == 1
    assert past.selection() == selection


@pytest.mark.slow
def test_a_run_whose_process_was_killed_goes_on_where_it_stopped(cli, install, environment, pids, tmp_path):
    install("toy-accelerator", toy="toy_plugin")
    command = ("run", "toy/scale", "-b", "toy", "--no-timing", "--seed", "5", "--out", tmp_path / "run")
    process = subprocess.Popen(
        [sys.executable, "-m", "kparity", *map(str, command)],
        env=environment(TOY_PIDS=str(pids.path)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    lines = tmp_path / "run" / "evaluations.jsonl"
    deadline = time.monotonic() + 60
    while not (lines.exists() and lines.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)
    written = open_run(tmp_path / "run")
    before = places(written)
    done = cli("run", "--resume", tmp_path / "run")
    assert done.status == 1, done.err
    assert f"{len(before)} evaluations were finished" in done.err
    after = places(open_run(tmp_path / "run"))
    assert len(after) == len(set(after)) == 18
    assert set(before) <= set(after)
