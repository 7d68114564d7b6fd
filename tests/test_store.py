"""Run folders: appended one record at a time, readable after a crash, never overwritten, never misread."""

from __future__ import annotations

import json

import msgspec
import pytest
from toy import scale, toy_plugin

from kparity import Evaluation, KparityError, Options, Session, UsageError, Verdict, read_run
from kparity.environment import RunInfo
from kparity.host import host_info
from kparity.records import DeviceRef, ImplementationInfo
from kparity.store import RunFolder

INFO = RunInfo(
    kparity="0.1.0", started_at="", seed=5, host=host_info(), devices=(), unavailable={}, plugins={}, options={}
)


def record(number):
    return Evaluation(
        task="toy/scale",
        case=scale.cases()[number % 4],
        implementation=ImplementationInfo("toy", "good"),
        device=DeviceRef("Toy", "cpu"),
        verdict=Verdict.of_error(f"number {number}"),
        seed=number,
    )


@pytest.fixture
def folder(tmp_path):
    """A run folder with three records."""
    path = tmp_path / "deep" / "run"
    store = RunFolder.create(path, INFO)
    for number in range(3):
        store.append(record(number))
    store.close()
    return path


def test_what_was_appended_is_read_back_in_order(folder):
    info, evaluations = read_run(folder)
    assert info == INFO
    assert evaluations == [record(0), record(1), record(2)]
    assert read_run(str(folder))[1] == evaluations


def test_each_record_can_be_read_as_soon_as_it_is_appended(tmp_path):
    store = RunFolder.create(tmp_path / "run", INFO)
    for number in range(3):
        store.append(record(number))
        assert read_run(tmp_path / "run")[1][-1] == record(number)
    store.close()
    store.close()


@pytest.mark.parametrize("cut", [1, 2, 40, 400])
def test_a_torn_last_line_is_passed_over(folder, cut):
    lines = folder / "evaluations.jsonl"
    lines.write_bytes(lines.read_bytes()[:-cut])
    _, evaluations = read_run(folder)
    assert evaluations == [record(0), record(1), record(2)][: 3 if cut == 1 else 2]


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[: len(line) // 2],
        lambda line: b"{}",
        lambda line: b"\xff\xfe" + line,
        lambda line: line.replace(b'"status":"error"', b'"status":"splendid"'),
        lambda line: line.replace(b'"status":"error"', b'"status":"passed"'),
    ],
)
def test_a_damaged_line_before_the_last_is_named_by_its_number(folder, damage):
    path = folder / "evaluations.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[1] = damage(lines[1])
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(KparityError, match=r"evaluations\.jsonl', line 2 is damaged"):
        read_run(folder)


@pytest.mark.parametrize("name", ["run.json", "evaluations.jsonl"])
def test_a_later_schema_is_refused_with_the_remedy(folder, name):
    path = folder / name
    text = path.read_text()
    old = '"schema": 1' if name == "run.json" else '"schema":1'
    assert old in text
    path.write_text(text.replace(old, old.replace("1", "99")))
    if name == "evaluations.jsonl":  # and whatever else that schema has changed
        path.write_text(path.read_text().replace('"implementation":', '"realization":'))
    with pytest.raises(KparityError, match=r"schema 99.*reads up to 1: upgrade kparity"):
        read_run(folder)


def test_a_folder_that_is_none_and_a_damaged_run_json_are_named(folder, tmp_path):
    with pytest.raises(KparityError, match=r"nowhere' is no run folder"):
        read_run(tmp_path / "nowhere")
    (folder / "run.json").write_text("{")
    with pytest.raises(KparityError, match=r"run\.json' is damaged"):
        read_run(folder)


def test_an_existing_run_is_never_overwritten(folder, tmp_path):
    before = (folder / "evaluations.jsonl").read_bytes()
    with pytest.raises(UsageError, match="already holds a run, and runs are never overwritten"):
        RunFolder.create(folder, INFO)
    session = Session(extra=[toy_plugin("good")], discover=False)
    with pytest.raises(UsageError, match="give another --out"):
        session.prepare(options=Options(isolation="inline"), out=folder)
    assert (folder / "evaluations.jsonl").read_bytes() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"):
        RunFolder.create(tmp_path / "file" / "run", INFO)


def test_a_run_writes_its_environment_and_every_record(tmp_path):
    session = Session(extra=[toy_plugin("good", "off_by_a_lot")], discover=False)
    options = Options(seed=77, isolation="inline", timing=None)
    yielded = list(session.run(["toy/scale"], roles=["edge"], options=options, out=tmp_path / "run"))
    info, written = read_run(tmp_path / "run")
    assert written == yielded
    assert len(written) == 8
    assert info.seed == 77
    assert [device.backend for device in info.devices] == ["toy"]
    assert info.options["roles"] == ["edge"]
    assert info.options["isolation"] == "inline"
    readable = json.loads((tmp_path / "run" / "run.json").read_text())
    assert readable["seed"] == 77
    assert msgspec.json.decode((tmp_path / "run" / "run.json").read_bytes(), type=RunInfo) == info
