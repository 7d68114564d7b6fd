"""Writing a run folder: `run.json`, and `evaluations.jsonl` with one record a line, flushed one at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from kparity.environment import RunInfo
from kparity.errors import UsageError
from kparity.records import Evaluation

INFO = "run.json"
EVALUATIONS = "evaluations.jsonl"
TORN = "evaluations.torn"
"""Where a resumed run keeps the bytes of a line that was cut off, should anybody want them."""


class RunFolder:
    """A run folder that is open for appending; nobody else may append to it meanwhile.

    Raises:
        UsageError: another process is writing to it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path / EVALUATIONS, "ab")  # noqa: SIM115 - closed by close()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise UsageError(f"{str(path)!r} is being written by another process; wait for it to end") from error

    @classmethod
    def create(cls, path: Path, info: RunInfo) -> RunFolder:
        """Make the folder and write `run.json`.

        Raises:
            UsageError: the folder already holds a run, or cannot be made.
        """
        cls.check_new(path)
        write_info(path, info)
        return cls(path)

    @classmethod
    def resume(cls, path: Path, info: RunInfo) -> RunFolder:
        """Open a run folder again: a last line that was cut off is set aside, then `run.json` is replaced.

        Raises:
            UsageError: another process is writing to it.
        """
        folder = cls(path)
        _mend(path / EVALUATIONS)
        write_info(path, info)
        return folder

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
        if (path / EVALUATIONS).exists() or (path / INFO).exists():
            raise UsageError(
                f"{str(path)!r} already holds a run, and runs are never overwritten; give another --out, or take it up "
                "again with --resume"
            )

    def append(self, evaluation: Evaluation) -> None:
        """Write one record and flush it to the operating system."""
        self._file.write(msgspec.json.encode(evaluation) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Flush to disk and close."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()


def write_info(path: Path, info: RunInfo) -> None:
    """Write `run.json` in one step: a reader sees the old one or the new one, never a part."""
    draft = path / f"{INFO}.{os.getpid()}"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(info), indent=2) + b"\n")
    draft.replace(path / INFO)


def _mend(path: Path) -> None:
    """Let the file end with a whole line: a record that only lacks its end of line gets one, other bytes move away."""
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        start = _start_of_last_line(path, end)
        if start == end:
            return
        file.seek(start)
        rest = file.read()
        try:
            msgspec.json.decode(rest, type=Evaluation)
        except (msgspec.DecodeError, UsageError):
            with open(path.with_name(TORN), "ab") as torn:
                torn.write(rest + b"\n")
            file.truncate(start)
        else:
            file.write(b"\n")


def _start_of_last_line(path: Path, end: int) -> int:
    """Offset behind the last end of line; 0 where there is none."""
    step = 1 << 16
    with open(path, "rb") as file:
        while end > 0:
            begin = max(end - step, 0)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
    return 0
