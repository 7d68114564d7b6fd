"""Several run folders as one: nothing lost, nothing counted twice, contradictions told."""

from __future__ import annotations

import shutil

import pytest
from recorded import CASES, CPU, info, record, write

from kparity import KparityError, Shard, open_run, read_runs

LATER = "2030-01-02T00:00:00+00:00"


def told(runs, kind):
    return [note.message for note in runs.notes if note.kind == kind]


def test_runs_of_different_evaluations_add_up_in_the_order_listed(tmp_path):
    one = write(tmp_path / "one", record(case=CASES[0]), record(case=CASES[1]))
    two = write(tmp_path / "two", record(case=CASES[2]))
    runs = read_runs([one, str(two)])
    assert [(run.path.name, evaluation.case.key) for run, evaluation in runs] == [
        ("one", CASES[0].key),
        ("one", CASES[1].key),
        ("two", CASES[2].key),
    ]
    assert len(runs) == 3
    assert runs.notes == ()
    assert list(runs) == list(runs), "can be iterated over again"


@pytest.mark.parametrize("newest_first", [True, False])
def test_of_an_evaluation_that_stands_in_two_runs_the_newest_counts(tmp_path, newest_first):
    old = write(tmp_path / "old", record(seconds=1e-3), record(case=CASES[1]))
    new = write(tmp_path / "new", record(seconds=2e-3, at=LATER))
    runs = read_runs([new, old] if newest_first else [old, new])
    assert sorted((run.path.name, evaluation.case.key) for run, evaluation in runs) == [
        ("new", CASES[0].key),
        ("old", CASES[1].key),
    ]
    (message,) = told(runs, "duplicate")
    assert "1 evaluations stand in both" in message
    assert str(old) in message
    assert str(new) in message


@pytest.mark.parametrize(
    "difference",
    [{"seed": 6}, {"source": "ab"}, {"label": "toy:slow"}, {"case": CASES[1]}, {"device": CPU}],
    ids=lambda change: next(iter(change)),
)
def test_evaluations_that_differ_in_anything_both_count(tmp_path, difference):
    runs = read_runs([write(tmp_path / "one", record()), write(tmp_path / "two", record(**difference))])
    assert len(runs) == 2
    assert runs.notes == ()


def test_processors_of_one_name_on_two_hosts_are_two_devices(tmp_path):
    folders = [write(tmp_path / name, record(device=CPU), run=info(machine=name)) for name in ("here", "there")]
    assert len(read_runs(folders)) == 2
    same = write(tmp_path / "again", record(device=CPU, at=LATER), run=info(machine="here"))
    assert len(read_runs([*folders, same])) == 2


def test_contradictions_are_named_with_both_folders(tmp_path):
    right = write(tmp_path / "right", record(), record("toy:slow"))
    wrong = write(tmp_path / "wrong", record(status="failed", at=LATER), record("toy:slow", digest="bb", at=LATER))
    runs = read_runs([right, wrong])
    first, second = told(runs, "conflict")
    assert f"toy:good toy/scale {CASES[0].key}: once passed, then failed on the same inputs" in first
    assert str(right) in first
    assert str(wrong) in first
    assert "toy:slow" in second
    assert "different inputs" in second
    assert {evaluation.status for _, evaluation in runs} == {"failed", "passed"}, "the newest counts all the same"


def test_a_folder_that_is_listed_twice_counts_once(tmp_path):
    folder = write(tmp_path / "run", record())
    runs = read_runs([folder, tmp_path / "run" / ".." / "run"])
    assert len(runs) == 1
    assert "listed twice" in told(runs, "duplicate")[0]


def test_a_copied_folder_counts_once_too(tmp_path):
    folder = write(tmp_path / "run", record(), record(case=CASES[1]))
    shutil.copytree(folder, tmp_path / "copy")
    assert len(read_runs([folder, tmp_path / "copy"])) == 2


def test_shards_are_recognised_and_missing_ones_named(tmp_path):
    def shard(name, index, plan="p"):
        return write(tmp_path / name, record(case=CASES[index]), run=info(shard=Shard(index, 4, plan)))

    one, three = shard("one", 1), shard("three", 3)
    assert told(read_runs([one, three]), "shards") == ["2 of 4 shards of one run; missing: 2/4, 4/4"]
    again = shard("again", 3)
    (message,) = told(read_runs([one, three, again]), "shards")
    assert "more than once: 3/4" in message
    stranger = shard("stranger", 2, plan="another")
    assert "belong to 2 different runs" in told(read_runs([one, stranger]), "shards")[-1]


def test_a_folder_of_run_folders_stands_for_them(tmp_path):
    write(tmp_path / "all" / "b", record(case=CASES[1]))
    write(tmp_path / "all" / "a", record())
    (tmp_path / "all" / "README.md").write_text("what these are")
    assert [run.path.name for run in read_runs([tmp_path / "all"]).runs] == ["a", "b"]


def test_every_folder_that_cannot_be_read_is_named_at_once(tmp_path):
    good = write(tmp_path / "good", record())
    (tmp_path / "empty").mkdir()
    headless = write(tmp_path / "headless", record())
    (headless / "run.json").unlink()
    before = (headless / "evaluations.jsonl").read_bytes()
    paths = [good, tmp_path / "empty", headless, tmp_path / "nowhere"]
    with pytest.raises(KparityError) as caught:
        read_runs(paths)
    text = str(caught.value)
    assert "empty' is no run folder: it is empty" in text
    assert "headless' is no run folder: it has evaluations.jsonl but no run.json" in text
    assert "nowhere' is no run folder: No such file" in text
    assert (headless / "evaluations.jsonl").read_bytes() == before
    runs = read_runs(paths, skip_unreadable=True)
    assert len(runs) == 1
    assert len(told(runs, "unreadable")) == 3
    with pytest.raises(KparityError, match="no run to read"):
        read_runs(paths[1:], skip_unreadable=True)


def test_a_run_that_was_killed_before_its_first_record_is_empty(tmp_path):
    folder = write(tmp_path / "run")
    assert len(open_run(folder)) == 0
    (folder / "evaluations.jsonl").unlink()
    assert list(open_run(folder)) == []


def test_a_torn_last_line_is_told(tmp_path):
    folder = write(tmp_path / "run", record(), record(case=CASES[1]))
    lines = folder / "evaluations.jsonl"
    lines.write_bytes(lines.read_bytes()[:-30])
    runs = read_runs([folder])
    assert len(runs) == 1
    assert "was cut off" in told(runs, "torn")[0]


def test_reading_is_a_stream_of_the_file_as_it_was_when_opened(tmp_path):
    folder = write(tmp_path / "run", record(), record(case=CASES[1]))
    run = open_run(folder)
    assert len(run) == 2
    with open(folder / "evaluations.jsonl", "ab") as file:
        file.write(b'{"half a record')
    assert [one.case.key for one in run] == [CASES[0].key, CASES[1].key]
