"""Where evaluations are carried out: an executor prepares what can be iterated over like a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from kparity.backend import DeviceInfo
from kparity.environment import RunInfo, Shard
from kparity.options import Options
from kparity.plan import Selection
from kparity.records import Evaluation
from kparity.running import Run
from kparity.session import Session


class Prepared(Protocol):
    """A run that is ready: devices are open, nothing is evaluated yet. Attributes as in `kparity.running.Run`.

    Attributes:
        losses: stations that were lost while others do their work, by name, and how; it grows during the run.
    """

    info: RunInfo
    total: int
    planned: dict[str, int]
    devices: dict[str, DeviceInfo]
    finished: int
    path: Path | None
    losses: dict[str, str]

    def __iter__(self) -> Iterator[Evaluation]: ...

    def close(self) -> None:
        """End everything that was started."""


class Executor(Protocol):
    """Carries out a selection."""

    def prepare(self, selection: Selection, options: Options, out: str | os.PathLike[str] | None) -> Prepared:
        """Plan and open devices.

        Raises:
            KparityError: nothing to evaluate, or nowhere.
        """

    def resume(self, path: Path, *, force: bool, jobs: int | None) -> Prepared:
        """Take up what an earlier run left in its folder.

        Raises:
            KparityError: it cannot be taken up; see `Session.resume`.
        """


class LocalExecutor:
    """This machine: line-ups side by side, each in a worker of its own.

    Args:
        session: whose catalogue is evaluated.
        shard: evaluate only this part.
        replays: folder for a replay bundle of each evaluation that does not pass.
    """

    def __init__(self, session: Session, *, shard: Shard | None = None, replays: Path | None = None) -> None:
        self._session = session
        self._shard = shard
        self._replays = replays

    def prepare(self, selection: Selection, options: Options, out: str | os.PathLike[str] | None) -> Run:
        """As `Session.prepare`."""
        return self._with_replays(self._session.prepare(selection, options, out=out, shard=self._shard))

    def resume(self, path: Path, *, force: bool, jobs: int | None) -> Run:
        """As `Session.resume`."""
        return self._with_replays(self._session.resume(path, force=force, jobs=jobs))

    def _with_replays(self, run: Run) -> Run:
        run.replays = self._replays
        return run
