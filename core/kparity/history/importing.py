"""Run folders into the history: each record once, whatever was imported before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from kparity.environment import RunInfo
from kparity.errors import KparityError
from kparity.history.database import History
from kparity.records import Evaluation
from kparity.rows import Row
from kparity.store import RunReader

_BATCH = 500


class Imported(NamedTuple):
    """What became of one run folder.

    Attributes:
        folder: where it is.
        added: records that are new to the history.
        known: records that it had before.
    """

    folder: str
    added: int
    known: int


def import_runs(history: History, runs: Iterable[RunReader]) -> list[Imported]:
    """Import run folders; of a run that has grown since, only what was added. Each folder is all or nothing.

    Raises:
        KparityError: a damaged record, by line number; a folder that lost records since it was imported; the database
            says no.
    """
    return [_import(history, run) for run in runs]


def run_identity(info: RunInfo) -> str:
    """The run's id; runs of old, which have none, are known by what stands in `run.json`."""
    if info.id:
        return info.id
    plain = msgspec.structs.replace(info, resumed=())
    return hashlib.sha256(msgspec.json.encode(plain)).hexdigest()[:32]


def _import(history: History, run: RunReader) -> Imported:
    import sqlalchemy as sql

    table, key = history.runs, run_identity(run.info)
    with history.transaction() as connection:
        known = connection.execute(sql.select(table.c.records).where(table.c.id == key)).scalar()
        total = len(run.heads())
        if known is not None and total < known:
            raise KparityError(
                f"{str(run.path)!r} holds {total} records, of which {known} were imported before: records went missing"
            )
        values = {
            "folder": str(run.path.resolve()),
            "started_at": run.info.started_at,
            "kparity": run.info.kparity,
            "commit_id": run.info.sources["kparity"].commit if "kparity" in run.info.sources else "",
            "seed": run.info.seed,
            "records": total,
            "info": msgspec.json.encode(run.info).decode(),
        }
        if known is None:
            connection.execute(table.insert().values(id=key, **values))
        else:
            connection.execute(table.update().where(table.c.id == key).values(**values))
        batch: list[dict[str, object]] = []
        for place, line in run.raw(known or 0):
            batch.append(_values(run, key, place, line))
            if len(batch) == _BATCH:
                connection.execute(history.evaluations.insert(), batch)
                batch = []
        if batch:
            connection.execute(history.evaluations.insert(), batch)
    return Imported(str(run.path), total - (known or 0), known or 0)


def _values(run: RunReader, key: str, place: int, line: bytes) -> dict[str, object]:
    row = Row.of_run(run, run.decode(line, place + 1, Evaluation))
    return {
        "run_id": key,
        "place": place,
        "record": line.decode().rstrip("\n"),
        "measurand": row.measurand or "",
        "cache": row.cache or "",
        **{
            name: getattr(row, name)
            for name in ("task", "case", "role", "dtype", "label", "source_digest", "device", "unit", "kind")
        },
        **{name: getattr(row, name) for name in ("status", "median_s", "low_s", "high_s", "fraction", "seed")},
        "started_at": row.started_at or run.info.started_at,
    }
