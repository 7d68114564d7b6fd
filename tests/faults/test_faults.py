"""Whatever a candidate does: its record says `error`, the next one is judged as ever, and nothing stays behind."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toy import ToyBackend, toy_plugin

from kparity import Limits, Options, Session, WorkerError, read_run
from kparity.assurance import PROTECTIONS
from kparity.sandbox.host import ProcessRunner
from kparity.sandbox.nursery import Nursery

pytestmark = pytest.mark.slow


def beside(name: str) -> Any:
    """A module of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(f"kparity_faults_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


faults, courts = beside("faults"), beside("court")
processes_of, left_of = courts.processes_of, courts.left_of


class Court(courts.Court):
    """Judges candidates for the toy backend and asserts."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Session(extra=[toy_plugin("good")], discover=False), "toy/scale", "toy", "n=7,*")

    def check_nothing_is_left(self) -> None:
        assert self.left() == []

    def check_an_honest_one_passes(self) -> None:
        record = self.judge(faults.source("pass"))
        assert record.status == "passed", record.verdict.message


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    folder, others = tmp_path_factory.mktemp("workers"), processes_of(os.getpid())
    with courts.workplace(folder):
        court = Court(folder)
        try:
            yield court
        finally:
            court.session.close()
        assert not left_of(os.getpid(), others)


@pytest.mark.parametrize("name", faults.ALL)
def test_a_fault_is_an_error_of_its_own_candidate_and_leaves_nothing(court, name):
    fault = faults.ALL[name]
    if (needed := faults.NEEDS.get(name)) in court.missing:
        pytest.skip(f"no {needed} here: {court.missing[needed]}")
    with court.names() as names:
        record = court.judge(faults.source(fault.body, **names), fault.limits, fault.timeout_s)
    assert not courts.wrong(record, fault.status, fault.message)
    court.check_nothing_is_left()
    court.check_an_honest_one_passes()


def test_a_daemon_does_not_outlive_the_worker(court):
    body = """
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    """
    assert court.judge(faults.source(body)).status == "passed"
    court.check_nothing_is_left()


def test_what_one_candidate_writes_the_next_does_not_find(court):
    write = "open(os.path.join(os.environ['XDG_CACHE_HOME'], 'poison'), 'w').write('x')"
    find = "assert not os.path.exists(os.path.join(os.environ['XDG_CACHE_HOME'], 'poison'))"
    assert court.judge(faults.source(write)).status == "passed"
    assert court.judge(faults.source(find)).status == "passed"
    court.check_nothing_is_left()


def test_control_characters_do_not_reach_the_terminal(court):
    record = court.judge(faults.source(r"print('\x1b[2Jcleared', flush=True)" "\n" r"raise RuntimeError('\x1b[2Jred')"))
    assert "\x1b" not in record.output + record.verdict.message
    assert "cleared" in record.output
    assert "red" in record.verdict.message


def test_a_zygote_that_is_killed_is_replaced(court):
    (pid,) = court.session.nursery.pids()
    os.kill(pid, signal.SIGKILL)
    court.check_an_honest_one_passes()
    (other,) = court.session.nursery.pids()
    assert other != pid
    court.check_nothing_is_left()


def test_records_say_how_candidates_and_registered_implementations_ran(court):
    candidate = court.judge(faults.source("pass")).assurance
    assert candidate.started == "fork"
    assert not candidate.trusted
    assert set(candidate.protections) | set(candidate.missing) == set(PROTECTIONS)
    options = Options(seed=3, timing=None)
    registered = court.session.evaluate("toy/scale", "toy", name="good", roles=["edge"], options=options)
    assert {one.assurance.trusted for one in registered.evaluations} == {True}
    assert {one.assurance.protections for one in registered.evaluations} == {()}


def test_a_judge_that_is_killed_leaves_its_records_and_no_worker(tmp_path, environment):
    program = tmp_path / "judge.py"
    program.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent.parent / 'plugins')!r})\n"
        "from toy import toy_plugin\nfrom kparity import Options, Session\n"
        "session = Session(extra=[toy_plugin()], discover=False)\n"
        "run = session.prepare_candidate('toy/scale', 'toy', sys.argv[1], dtypes=['float32'], out=sys.argv[2],\n"
        "    options=Options(seed=3, timing=None))\n"
        "for _ in run:\n    print('one', flush=True)\n"
    )
    body = "if x.size > 1:\n    os.fork()\n    time.sleep(60)"
    folder = tmp_path / "workers"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, str(program), faults.source(body), str(tmp_path / "run")],
        env=environment(TMPDIR=str(folder)),
        stdout=subprocess.PIPE,
    ) as judge:
        assert judge.stdout is not None
        assert judge.stdout.readline() == b"one\n"
        assert len(processes_of(judge.pid)) >= 3  # zygote, keeper, worker
        judge.kill()
    assert not left_of(judge.pid, set())
    assert list(folder.iterdir()) == []
    info, records = read_run(tmp_path / "run")
    assert [one.status for one in records] == ["passed"]
    assert info.seed == 3


@pytest.mark.parametrize("fate", ["zygote", "keeper"])
def test_whoever_is_killed_the_worker_does_not_live_on(fate, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    others = processes_of(os.getpid())
    with Nursery() as nursery:
        runner = ProcessRunner(ToyBackend(), 30, nursery, Limits())
        runner.open(0)
        (zygote,) = nursery.pids()
        below = processes_of(os.getpid()) - {zygote} - others
        assert len(below) >= 2
        os.kill(zygote if fate == "zygote" else min(below), signal.SIGKILL)
        if fate == "keeper":
            assert not left_of(os.getpid(), {zygote} | others)
            with pytest.raises(WorkerError, match="the worker died"):
                runner.load(source=faults.source("pass"), entry_point="scale")
        runner.close()
        assert not left_of(os.getpid(), {zygote} | others)
        deadline = time.monotonic() + 10
        while list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert list(tmp_path.iterdir()) == []
