"""The history: each record once, kept whole; the fastest that is right now; how it changed."""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
import time

import msgspec
import postgresql
import pytest
import sqlalchemy as sql
from recorded import CASES, OTHER_GPU, info, record, write

from kparity import Evaluation, KparityError, NothingEvaluatedError, Unavailable, UsageError, open_run
from kparity.history import best, import_runs, open_history, trend
from kparity.store import RunFolder

DAYS = [f"2030-01-0{day}T00:00:00+00:00" for day in range(1, 6)]


@pytest.fixture(scope="module")
def server():
    if why := postgresql.missing():
        pytest.skip(why)
    with postgresql.served() as url:
        yield url


@pytest.fixture
def empty(server):
    """URL of a PostgreSQL database without tables."""
    yield server
    engine = sql.create_engine(server)
    with engine.begin() as connection:
        connection.execute(sql.text("drop schema public cascade"))
        connection.execute(sql.text("create schema public"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def history(request, tmp_path):
    url = request.getfixturevalue("empty") if request.param == "postgresql" else str(tmp_path / "db" / "history.db")
    database = open_history(url)
    yield database
    database.close()


@pytest.fixture
def keep(history, tmp_path):
    """Writes a run and imports it."""
    names = iter("abcdefgh")

    def call(*evaluations):
        name = next(names)
        (done,) = import_runs(history, [open_run(write(tmp_path / name, *evaluations, run=info(id=name)))])
        return done

    return call


def test_importing_again_adds_nothing_and_a_grown_run_adds_what_is_new(history, tmp_path):
    folder = write(tmp_path / "run", record(), record(case=CASES[1]))
    assert [tuple(one)[1:] for one in import_runs(history, [open_run(folder)])] == [(2, 0)]
    assert [tuple(one)[1:] for one in import_runs(history, [open_run(folder)])] == [(0, 2)]
    grown = RunFolder(folder)
    grown.append(record(case=CASES[2]))
    grown.close()
    assert [tuple(one)[1:] for one in import_runs(history, [open_run(folder)])] == [(1, 2)]
    moved = folder.rename(tmp_path / "elsewhere")
    assert [tuple(one)[1:] for one in import_runs(history, [open_run(moved)])] == [(0, 3)]


def test_records_are_kept_whole(history, tmp_path):
    one = record(seconds=1e-3, noise=0.1, output="printed ✓ and \0")
    import_runs(history, [open_run(write(tmp_path / "run", one))])
    with history.transaction() as connection:
        rows = connection.execute(sql.select(history.evaluations.c.record)).all()
    assert [msgspec.json.decode(text, type=Evaluation) for (text,) in rows] == [one]


def test_of_two_imports_of_one_run_at_once_one_is_told_to_come_again(empty, tmp_path):
    """Two machines of a team and one server."""
    run = open_run(write(tmp_path / "run", record()))
    first, second = open_history(empty), open_history(empty)
    told = []

    def other():
        try:
            import_runs(second, [run])
        except KparityError as error:
            told.append(str(error))

    thread = threading.Thread(target=other)
    with first.transaction() as connection:
        values = {"folder": "", "started_at": "", "kparity": "", "commit_id": "", "seed": 0, "records": 0, "info": ""}
        connection.execute(first.runs.insert().values(id=run.info.id, **values))
        thread.start()
        waiting = sql.text("select count(*) from pg_locks where not granted")
        while not connection.execute(waiting).scalar():
            assert thread.is_alive()
            time.sleep(0.01)
    thread.join()
    assert len(told) == 1
    assert "import it again" in told[0]
    assert tuple(import_runs(second, [run])[0])[1:] == (1, 0)
    first.close()
    second.close()


def test_a_run_that_lost_records_and_a_damaged_one_change_nothing(history, tmp_path):
    folder = write(tmp_path / "run", record(), record(case=CASES[1]))
    import_runs(history, [open_run(folder)])
    lines = (folder / "evaluations.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "evaluations.jsonl").write_bytes(lines[0])
    with pytest.raises(KparityError, match="records went missing"):
        import_runs(history, [open_run(folder)])
    damaged = write(tmp_path / "damaged", record(), record(case=CASES[1]), run=info(id="other"))
    text = (damaged / "evaluations.jsonl").read_text().replace('"case":{', '"case":{"axes":7,', 1)
    (damaged / "evaluations.jsonl").write_text(text)
    with pytest.raises(KparityError, match="line 1 is damaged"):
        import_runs(history, [open_run(damaged)])
    assert len(trend(history, "toy/scale")) == 2


def test_the_best_is_the_fastest_whose_newest_verdict_is_passed(history, keep):
    keep(record("t:a", seconds=1e-3, at=DAYS[0]), record("t:b", seconds=2e-3, at=DAYS[0]))
    (one,) = best(history, "toy/scale")
    assert (one.label, one.median_s, one.runner_up, one.lead) == ("t:a", 1e-3, "t:b", pytest.approx(2))
    keep(record("t:a", "failed", at=DAYS[1]))
    (one,) = best(history, "toy/scale")
    assert (one.label, one.runner_up) == ("t:b", "")
    keep(record("t:a", seconds=3e-3, at=DAYS[2]))
    (one,) = best(history, "toy/scale")
    assert (one.label, one.runner_up, one.lead) == ("t:b", "t:a", pytest.approx(1.5)), "its newest time counts"


def test_devices_cases_and_candidates_have_bests_of_their_own(history, keep):
    keep(
        record("t:a", seconds=1e-3),
        record("t:a", seconds=9e-3, device=OTHER_GPU),
        record("t:a", seconds=5e-3, case=CASES[1]),
        record("c:candidate", seconds=4e-3, case=CASES[1], source="1234" * 4),
    )
    found = {(one.device, one.case): (one.label, one.source_digest) for one in best(history, "toy/scale")}
    assert found == {
        ("Fast GPU", CASES[0].key): ("t:a", ""),
        ("Slow GPU", CASES[0].key): ("t:a", ""),
        ("Fast GPU", CASES[1].key): ("c:candidate", "1234" * 4),
    }
    assert [one.device for one in best(history, "toy/scale", device="Slow*")] == ["Slow GPU"]
    with pytest.raises(NothingEvaluatedError, match="with device 'No\\*'"):
        best(history, "toy/scale", device="No*")


def test_a_trend_goes_from_the_oldest_to_the_newest(history, keep):
    for day, seconds in ((2, 1.1e-3), (0, 1e-3), (4, None), (3, 0.9e-3)):
        keep(record(status="passed" if seconds else "error", seconds=seconds, at=DAYS[day]))
    points = trend(history, "toy/scale", label="toy:*")
    assert [point.started_at for point in points] == [DAYS[0], DAYS[2], DAYS[3], DAYS[4]]
    assert [point.change for point in points[:3]] == pytest.approx([1.0, 1.1, 0.9])
    assert (points[3].status, points[3].change) == ("error", None)


def test_other_tables_and_bad_addresses_are_refused_with_a_remedy(tmp_path):
    path = tmp_path / "history.db"
    open_history(str(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("update kparity_schema set version = 99")
    with pytest.raises(KparityError, match=r"tables of version 99.*upgrade kparity"):
        open_history(str(path))
    (tmp_path / "text").write_text("no database at all, but long enough to be read as one" * 10)
    with pytest.raises(KparityError, match="not a database"):
        open_history(str(tmp_path / "text"))
    with pytest.raises(UsageError, match="no database URL"):
        open_history("nonsense://")
    with pytest.raises(UsageError, match="cannot be made"):
        open_history(str(tmp_path / "text" / "history.db"))


def test_a_missing_package_is_named_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(Unavailable, match=r"kparity\[history\]"):
        open_history("sqlite://")


def test_a_missing_driver_is_named_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Unavailable, match=r"'psycopg' of 'postgresql\+psycopg'.*kparity\[postgresql\]"):
        open_history("postgresql+psycopg://somewhere/name")


def test_the_commands_import_and_answer(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("KPARITY_DB", str(tmp_path / "mine.db"))
    write(tmp_path / "all" / "one", record("t:a", seconds=1e-3, fraction=0.5, at=DAYS[0]), run=info(id="1"))
    write(tmp_path / "all" / "two", record("t:a", seconds=2e-3, at=DAYS[1]), run=info(id="2"))
    assert cli("history", "import", tmp_path / "all").out.count("1 added, 0 known before") == 2
    assert (tmp_path / "mine.db").exists()
    shown = cli("history", "best", "toy/scale")
    assert shown.status == 0
    assert "2.00 ms" in shown.out
    rows = cli("history", "trend", "toy/scale", "-i", "t:*").out
    assert "+0.0%" in rows
    assert "+100.0%" in rows
    assert [one["median_s"] for one in json.loads(cli("history", "trend", "toy/scale", "--json").out)] == [1e-3, 2e-3]
    done = cli("history", "best", "toy/nothing", "--db", tmp_path / "mine.db")
    assert done.status == 2
    assert "kparity history import RUN" in done.err
    assert cli("history").status == 2
