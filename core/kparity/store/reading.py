"""Reading a run folder: records are streamed, so that memory does not grow with the run."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from kparity.environment import RunInfo
from kparity.errors import KparityError, UsageError
from kparity.records import SCHEMA_VERSION, DeviceRef, Evaluation, ImplementationInfo, Status
from kparity.store.folder import EVALUATIONS, INFO

R = TypeVar("R")


class RunReader:
    """A run folder that is open for reading. Iterate over it as often as needed; each pass reads the file again.

    Of an evaluation that was made again after its worker was lost, the last record counts. A last line that was cut
    off, left by a run that was killed, is passed over.

    Attributes:
        path: the folder.
        info: what stands in `run.json`.

    Raises:
        KparityError: no run folder, a record of a later schema version, or a damaged record, by line number.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.info = _read_info(self.path)
        self._heads: list[Head] | None = None
        self._torn = False

    @property
    def torn(self) -> bool:
        """Whether the last line was cut off and is passed over."""
        self.heads()
        return self._torn

    @property
    def repeated(self) -> int:
        """Records that a later record of the same evaluation replaces."""
        heads = self.heads()
        return len(heads) - len({head.identity for head in heads})

    def statuses(self) -> list[Status]:
        """The status of each evaluation."""
        return [head.status for head in {head.identity: head for head in self.heads()}.values()]

    def heads(self) -> list[Head]:
        """What identifies each record, in the order of the file, superseded ones included."""
        if self._heads is None:
            self._heads = list(self._read_heads())
        return self._heads

    def __len__(self) -> int:
        return len(self.heads()) - self.repeated

    def __iter__(self) -> Iterator[Evaluation]:
        return (evaluation for _, evaluation in self.numbered())

    def numbered(self) -> Iterator[tuple[int, Evaluation]]:
        """Each evaluation with the place of its record in the file, from 0."""
        last = {head.identity: place for place, head in enumerate(self.heads())}
        count = len(self.heads())
        for place, (number, line) in enumerate(self._lines()):
            if place >= count:  # written meanwhile, or cut off
                return
            if last[self.heads()[place].identity] == place:
                yield place, self.decode(line, number, Evaluation)

    def raw(self, first: int = 0) -> Iterator[tuple[int, bytes]]:
        """The bytes of each whole record from place `first` on, superseded ones included."""
        count = len(self.heads())
        for place, (_, line) in enumerate(self._lines()):
            if place >= count:
                return
            if place >= first:
                yield place, line

    def _read_heads(self) -> Iterator[Head]:
        for number, line in self._lines():
            try:
                yield self.decode(line, number, _Slim).head()
            except DamagedError:
                if line.endswith(b"\n"):
                    raise
                self._torn = True  # only the last line has no end

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Line numbers, from 1, and the lines with their ends; empty lines are left out."""
        try:
            with open(self.path / EVALUATIONS, "rb") as file:
                for number, line in enumerate(file, 1):
                    if line != b"\n":
                        yield number, line
        except FileNotFoundError:
            return  # killed between run.json and the first record
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def decode(self, line: bytes, number: int, kind: type[R]) -> R:
        """Decode a line of the file; an error names its number.

        Raises:
            KparityError: a damaged line.
        """
        return decode(line, kind, f"{str(self.path / EVALUATIONS)!r}, line {number}")


class Head(msgspec.Struct, frozen=True):
    """What identifies a record among others, and how it ended.

    Attributes:
        identity: see `identity`.
        anonymous: its device has no identity of its own, so that only the host tells it from others of its name.
        task, case, label: for messages.
        started_at, inputs_digest, status, worker_lost: of the record.
    """

    identity: bytes
    anonymous: bool
    task: str
    case: str
    label: str
    started_at: str
    inputs_digest: str
    status: Status
    worker_lost: bool


def identity(
    task: str, case: str, backend: str, name: str, source_digest: str, device: DeviceRef | None, seed: int
) -> bytes:
    """Which evaluation a record is of: implementation, source, case, device and seed, as a digest of 16 bytes."""
    piece = (device.name, device.kind, device.index, device.uuid) if device is not None else ()
    text = msgspec.json.encode((task, case, backend, name, source_digest, piece, seed))
    return hashlib.blake2b(text, digest_size=16).digest()


def open_run(path: str | os.PathLike[str]) -> RunReader:
    """Open a run folder to read its records as a stream.

    Raises:
        KparityError: no run folder, or a damaged one.
    """
    return RunReader(path)


def read_run(path: str | os.PathLike[str]) -> tuple[RunInfo, list[Evaluation]]:
    """Read a run folder at once; `open_run` streams it.

    A torn last line, left by a run that was killed, is passed over; of an evaluation that was made again, the last
    record counts.

    Raises:
        KparityError: no run folder, a record of a later schema version, or a damaged record, by line number.
    """
    reader = RunReader(path)
    return reader.info, list(reader)


class DamagedError(KparityError):
    """Bytes that are no record."""


def decode(data: bytes, kind: type[R], where: str) -> R:
    """Decode one record; where that fails, its schema version is looked at first.

    Raises:
        DamagedError: no such record.
        KparityError: a later schema version.
    """
    try:
        record = msgspec.json.decode(data, type=kind)
        if getattr(record, "schema", SCHEMA_VERSION) <= SCHEMA_VERSION:
            return record
    except (msgspec.DecodeError, UsageError) as error:
        schema = _schema_of(data)
        if schema <= SCHEMA_VERSION:
            raise DamagedError(f"{where} is damaged: {error}") from error
    else:
        schema = _schema_of(data)
    raise KparityError(f"{where} has schema {schema}; this kparity reads up to {SCHEMA_VERSION}: upgrade kparity")


class _Versioned(msgspec.Struct):
    schema: int = SCHEMA_VERSION


class _SlimCase(msgspec.Struct):
    key: str


class _SlimImplementation(msgspec.Struct):
    backend: str
    name: str
    source_digest: str = ""


class _SlimVerdict(msgspec.Struct):
    status: Status


class _Slim(msgspec.Struct):
    """The part of a record that identifies it: reading it skips the rest."""

    task: str
    case: _SlimCase
    implementation: _SlimImplementation
    device: DeviceRef | None
    verdict: _SlimVerdict
    seed: int = 0
    started_at: str = ""
    inputs_digest: str = ""
    worker_lost: bool = False
    schema: int = SCHEMA_VERSION

    def head(self) -> Head:
        """What is kept of it."""
        one = self.implementation
        label = ImplementationInfo(one.backend, one.name).label
        return Head(
            identity(self.task, self.case.key, one.backend, one.name, one.source_digest, self.device, self.seed),
            self.device is None or not self.device.uuid,
            sys.intern(self.task),  # many records share these texts
            sys.intern(self.case.key),
            sys.intern(f"{label} {one.source_digest}".strip()),
            sys.intern(self.started_at),
            self.inputs_digest,
            self.verdict.status,
            self.worker_lost,
        )


def _schema_of(data: bytes) -> int:
    try:
        return msgspec.json.decode(data, type=_Versioned).schema
    except msgspec.DecodeError:
        return 0


def _read_info(folder: Path) -> RunInfo:
    try:
        head = (folder / INFO).read_bytes()
    except OSError as error:
        raise _unreadable(folder, error) from error
    return decode(head, RunInfo, repr(str(folder / INFO)))


def _unreadable(folder: Path, error: OSError) -> KparityError:
    """What is wrong with a folder that cannot be read, and what to do."""
    what = f"{str(folder)!r} is no run folder"
    if isinstance(error, FileNotFoundError) and folder.is_dir():
        if (folder / EVALUATIONS).exists():
            return KparityError(
                f"{what}: it has {EVALUATIONS} but no {INFO}; the records are not touched: put back the {INFO} of that "
                "run, or of another shard of it"
            )
        if not any(folder.iterdir()):
            return KparityError(f"{what}: it is empty; 'kparity run --out' writes {INFO} and {EVALUATIONS}")
    return KparityError(f"{what}: {error.strerror}: {error.filename}")
