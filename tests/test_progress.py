"""What others see of a run while it goes on: programs get JSON lines, logs get few lines, terminals get bars."""

from __future__ import annotations

import io
import json

import msgspec
import pytest
from recorded import CASES, record

from kparity import Evaluation
from kparity.commands.progress import Bars, Lines, Remaining, watch
from kparity.streaming import Ended, Finished, Started

TOY = ("run", "toy/scale", "-b", "toy", "-r", "edge", "--no-timing", "--seed", "5")


class Prepared:
    """As much of a run as progress looks at."""

    def __init__(self, **planned):
        self.planned = {label.replace("_", ":"): count for label, count in planned.items()}
        self.total = sum(self.planned.values())
        self.devices = {}
        self.losses = {}

    def __iter__(self):
        for label in self.planned:
            yield msgspec.structs.replace(record(label), duration_s=1.0)
            self.losses[label] = f"station {label!r} was lost"

    def close(self): ...


@pytest.fixture
def toy(install, pids):
    return install("toy-accelerator", toy="toy_plugin")


def console(terminal):
    from rich.console import Console

    return Console(file=io.StringIO(), force_terminal=terminal, width=200, no_color=True)


def test_json_lines_are_a_start_each_record_and_an_end_and_nothing_else(cli, toy, tmp_path):
    done = cli(*TOY, "--json-lines", "--out", tmp_path / "run")
    lines = [msgspec.json.decode(line, type=Started | Finished | Ended) for line in done.out.splitlines()]
    first, *records, last = lines
    assert isinstance(first, Started)
    assert (first.total, first.finished, first.folder) == (12, 0, str(tmp_path / "run"))
    assert first.run.seed == 5
    assert all(isinstance(one, Finished) for one in records)
    written = (tmp_path / "run" / "evaluations.jsonl").read_bytes().splitlines()
    assert [one.evaluation for one in records] == [msgspec.json.decode(line, type=Evaluation) for line in written]
    assert isinstance(last, Ended)
    assert last.summary == {"passed": 10, "failed": 2}
    assert done.status == 1
    assert "failed: toy:fails_on_seven" in done.err


@pytest.mark.slow
def test_a_resumed_run_streams_only_what_it_adds(cli, toy, tmp_path):
    cli(*TOY, "--out", tmp_path / "run")
    lines = tmp_path / "run" / "evaluations.jsonl"
    lines.write_bytes(b"".join(lines.read_bytes().splitlines(keepends=True)[:7]))
    done = cli("run", "--resume", tmp_path / "run", "--json-lines")
    first, *records, _ = map(json.loads, done.out.splitlines())
    assert (first["finished"], first["total"], len(records)) == (7, 5, 5)
    shown = cli("run", "--resume", tmp_path / "run")
    assert "10 passed, 2 failed" in shown.out, "the report is of all of it"
    assert "12 evaluations were finished, 0 are left" in shown.err
    assert shown.status == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--json", "--json-lines"),
        ("run", "--force"),
        ("run", "--shard", "1/2"),
        ("run", "--shard", "3/2", "--seed", "1"),
        ("run", "toy/scale", "--resume", "RUN"),
        ("run", "--seed", "1", "--resume", "RUN"),
        ("run", "--shard", "1/2", "--resume", "RUN"),
        ("run", "--out", "x", "--resume", "RUN"),
    ],
)
def test_options_that_contradict_each_other_are_refused(cli, toy, arguments):
    done = cli(*arguments)
    assert done.status == 2
    assert "error:" in done.err
    assert "--" in done.err or "expected" in done.err


def test_logs_get_a_line_now_and_then_and_one_for_each_failure():
    now = [0.0]
    target = console(terminal=False)
    lines = Lines(Prepared(toy_good=100), target, clock=lambda: now[0])
    for number in range(100):
        now[0] += 1.0
        status = "failed" if number == 10 else "passed"
        lines.advance(msgspec.structs.replace(record(status=status), duration_s=1.0))
    printed = target.file.getvalue().splitlines()
    assert [line for line in printed if line.startswith("failed")] == [f"failed: toy:good toy/scale {CASES[0].key}"]
    assert [line for line in printed if "of 100" in line] == [
        "30 of 100 evaluations, about 1 min left",
        "60 of 100 evaluations, about 40 s left",
        "90 of 100 evaluations, about 10 s left",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_each_lost_station_is_told_once_and_what_becomes_of_its_work(terminal):
    target = console(terminal)
    assert not watch(Prepared(toy_good=1, toy_slow=1), target)
    printed = target.file.getvalue()
    for label in ("toy:good", "toy:slow"):
        assert printed.count(f"station '{label}' was lost; others of its kind take over what it had not finished") == 1


def test_the_time_left_is_that_of_the_line_up_with_the_most_to_do():
    remaining = Remaining({"quick": 10, "slow": 10, "waiting": 3})
    assert remaining.seconds() is None
    remaining.advance("quick", 1.0)
    remaining.advance("slow", 9.0)
    assert remaining.seconds() == pytest.approx(81)
    assert remaining.seconds(["quick"]) == pytest.approx(9)
    assert remaining.seconds(["waiting"]) == pytest.approx(15), "as long as the mean of all"


def test_a_terminal_shows_a_bar_for_each_device_with_its_busy_line_ups():
    from kparity import DeviceInfo

    prepared = Prepared(toy_good=1, toy_slow=2, other=1)
    toy = DeviceInfo(backend="toy", name="Toy", kind="cpu")
    prepared.devices = {"toy:good": toy, "toy:slow": toy, "other": DeviceInfo(backend="o", name="Other", kind="gpu")}
    target = console(terminal=True)
    with Bars(prepared, target) as bars:
        bars.advance(msgspec.structs.replace(record("toy:good"), duration_s=2.0))
        bars._progress.refresh()
    printed = target.file.getvalue()
    for text in ("Toy: toy:slow", "Other: other", "1/3", "0/1", "about 4 s left"):
        assert text in printed, text
