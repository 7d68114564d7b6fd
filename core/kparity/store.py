"""Run folders: `run.json` and `evaluations.jsonl`, appended and flushed one evaluation at a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from kparity.errors import KparityError, UsageError
from kparity.records import SCHEMA_VERSION, Evaluation, RunInfo

_INFO = "run.json"
_EVALUATIONS = "evaluations.jsonl"
R = TypeVar("R")


class RunFolder:
    """A run folder that is open for appending."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path / _EVALUATIONS, "ab")  # noqa: SIM115 - closed by close()

    @classmethod
    def create(cls, path: Path, info: RunInfo) -> RunFolder:
        """Make the folder and write `run.json`.

        Raises:
            UsageError: the folder already holds a run, or cannot be made.
        """
        cls.check_new(path)
        (path / _INFO).write_bytes(msgspec.json.format(msgspec.json.encode(info), indent=2) + b"\n")
        return cls(path)

    @staticmethod
    def check_new(path: Path) -> None:
        """Make sure, before any work is done, that a run can be written to `path`.

        Raises:
            UsageError: the folder already holds a run, or cannot be made.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"run folder {str(path)!r} cannot be made: {error.strerror}; give another --out"
            ) from error
        if (path / _EVALUATIONS).exists() or (path / _INFO).exists():
            raise UsageError(f"{str(path)!r} already holds a run, and runs are never overwritten; give another --out")

    def append(self, evaluation: Evaluation) -> None:
        """Write one record and flush it to the operating system."""
        self._file.write(msgspec.json.encode(evaluation) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Flush to disk and close."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()


def read_run(path: str | os.PathLike[str]) -> tuple[RunInfo, list[Evaluation]]:
    """Read a run folder; a torn last line, left by a run that was killed, is passed over.

    Raises:
        KparityError: no run folder, a record of another schema version, or a damaged record, by line number.
    """
    folder = Path(path)
    try:
        head = (folder / _INFO).read_bytes()
        lines = (folder / _EVALUATIONS).read_bytes().split(b"\n")
    except OSError as error:
        raise KparityError(f"{str(folder)!r} is no run folder: {error.strerror}: {error.filename}") from error
    info = _decode(head, RunInfo, repr(str(folder / _INFO)))
    evaluations = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            evaluations.append(_decode(line, Evaluation, f"{str(folder / _EVALUATIONS)!r}, line {number}"))
        except _DamagedError:
            if number < len(lines):
                raise
    return info, evaluations


class _Versioned(msgspec.Struct):
    schema: int = SCHEMA_VERSION


class _DamagedError(KparityError):
    """Bytes that are no record."""


def _decode(data: bytes, kind: type[R], where: str) -> R:
    """Decode one record; its schema version is looked at before the rest of it."""
    try:
        schema = msgspec.json.decode(data, type=_Versioned).schema
        if schema > SCHEMA_VERSION:
            raise KparityError(
                f"{where} has schema {schema}; this kparity reads up to {SCHEMA_VERSION}: upgrade kparity"
            )
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UsageError) as error:
        raise _DamagedError(f"{where} is damaged: {error}") from error
