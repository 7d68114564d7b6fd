"""The database: two tables behind SQLAlchemy, in a SQLite file or whatever a URL names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kparity.errors import KparityError, Unavailable, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData, Table

VERSION = 1
"""Version of the tables; it changes when they do."""


class History:
    """An open database.

    Attributes:
        url: where it is, without a password.
        runs, evaluations: the tables. A run's and an evaluation's record is kept whole, as JSON text, beside the
            columns that questions are asked about.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.url = engine.url.render_as_string(hide_password=True)
        metadata, self._version = _metadata()
        self.runs: Table = metadata.tables["runs"]
        self.evaluations: Table = metadata.tables["evaluations"]
        with self.transaction() as connection:
            metadata.create_all(connection)
            self._check_version(connection)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection whose changes are kept if nothing goes wrong.

        Raises:
            KparityError: the database says no.
        """
        from sqlalchemy.exc import IntegrityError, SQLAlchemyError

        try:
            with self._engine.begin() as connection:
                yield connection
        except IntegrityError as error:
            raise KparityError(f"{self.url}: another import was at work on the same run; import it again") from error
        except SQLAlchemyError as error:
            cause = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise KparityError(f"history {self.url}: {cause}") from error

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _check_version(self, connection: Connection) -> None:
        import sqlalchemy as sql

        found = connection.execute(sql.select(self._version.c.version)).scalar()
        if found is None:
            connection.execute(self._version.insert().values(version=VERSION))
        elif found != VERSION:
            remedy = (
                "upgrade kparity"
                if found > VERSION
                else "import the run folders into a new one, which '--db' names; they hold everything"
            )
            raise KparityError(
                f"history {self.url} has tables of version {found}, this kparity knows {VERSION}: {remedy}"
            )


def open_history(url: str | None = None) -> History:
    """Open a history, made where there is none.

    Args:
        url: a URL for SQLAlchemy such as `postgresql+psycopg://host/name`, or the path of a SQLite file. By default the
            environment's KPARITY_DB, else `kparity/history.db` in the user's data folder.

    Raises:
        Unavailable: SQLAlchemy, or the database's driver, is not installed.
        UsageError: a URL that is none.
        KparityError: the database cannot be opened, or was made by another version.
    """
    try:
        import sqlalchemy as sql
    except ModuleNotFoundError as error:
        raise Unavailable("sqlalchemy is not installed", "pip install 'kparity[history]'") from error
    target = url or os.environ.get("KPARITY_DB") or str(_default_path())
    if "://" not in target:
        path = Path(target)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{target!r} cannot be made: {error.strerror}; give another --db") from error
        target = f"sqlite:///{path}"
    try:
        return History(sql.create_engine(target))
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"the driver {error.name!r} of {target.partition(':')[0]!r} is not installed", _remedy(error.name or "")
        ) from error
    except sql.exc.ArgumentError as error:
        raise UsageError(f"{target!r} is no database URL: {error}") from error


def _remedy(driver: str) -> str:
    return "pip install 'kparity[postgresql]'" if driver == "psycopg" else f"pip install {driver}"


def _default_path() -> Path:
    root = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return root / "kparity" / "history.db"


def _metadata() -> tuple[MetaData, Table]:
    import sqlalchemy as sql

    metadata = sql.MetaData()
    version = sql.Table("kparity_schema", metadata, sql.Column("version", sql.Integer, nullable=False))
    sql.Table(
        "runs",
        metadata,
        sql.Column("id", sql.String(64), primary_key=True),
        sql.Column("folder", sql.Text, nullable=False),
        sql.Column("started_at", sql.String(40), nullable=False, index=True),
        sql.Column("kparity", sql.String(40), nullable=False),
        sql.Column("commit_id", sql.String(64), nullable=False),
        sql.Column("seed", sql.BigInteger, nullable=False),
        sql.Column("records", sql.Integer, nullable=False),
        sql.Column("info", sql.Text, nullable=False),
    )
    text = {name: sql.Column(name, sql.Text, nullable=False) for name in _TEXTS}
    numbers = {name: sql.Column(name, sql.Float(53)) for name in ("median_s", "low_s", "high_s", "fraction")}
    sql.Table(
        "evaluations",
        metadata,
        sql.Column("run_id", sql.ForeignKey("runs.id"), primary_key=True),
        sql.Column("place", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("seed", sql.BigInteger, nullable=False),
        *text.values(),
        *numbers.values(),
        sql.Column("record", sql.Text, nullable=False),
        sql.Index("by_task", "task", "case", "device"),
    )
    return metadata, version


_TEXTS = (
    "task",
    "case",
    "role",
    "dtype",
    "label",
    "source_digest",
    "device",
    "unit",
    "kind",
    "status",
    "measurand",
    "cache",
    "started_at",
)
