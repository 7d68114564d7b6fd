"""Tries faults and looks for what they leave behind: for the tests here and for `benchmarks/faults.py`."""

from __future__ import annotations

import os
import re
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kparity import Evaluation, Limits, Options, Session

OUTSIDE = Path("/var/tmp")
"""Anybody may write here; a candidate must not."""


def processes_of(judge: int) -> set[int]:
    """Zygotes, keepers and workers of a judge, and what these forked; zombies left out."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if b"kparity.sandbox.zygote" in words and str(judge).encode() in words and state != "Z":
            found.add(int(folder.name))
    return found


def left_of(judge: int, known: set[int], seconds: float = 10.0) -> set[int]:
    """Processes beyond the known ones, once they had a while to end."""
    deadline = time.monotonic() + seconds
    while (left := processes_of(judge) - known) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


@contextmanager
def workplace(folder: Path) -> Iterator[None]:
    """Workers keep their folders below `folder` meanwhile, and the environment holds a secret to look for."""
    before, known = dict(os.environ), tempfile.tempdir
    os.environ.update(TMPDIR=str(folder), HUNTER="hunter2")
    tempfile.tempdir = None
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        tempfile.tempdir = known


class Court:
    """A session whose workers keep their folders below `folder`; see `workplace`.

    Args:
        folder: holds nothing else.
        session: has the task and the backend. Processes of other sessions, which are there already, are not looked at.
        task, backend: what candidates are for.
        case: pattern of the one case that they are tried on.
    """

    def __init__(self, folder: Path, session: Session, task: str, backend: str, case: str) -> None:
        self.folder, self.session = folder, session
        self._task, self._backend, self._case = task, backend, case
        self._others = processes_of(os.getpid()) - set(session.nursery.pids())
        self.missing = session.protections().missing

    def judge(self, source: str, limits: Limits | None = None, timeout_s: float = 30.0) -> Evaluation:
        """The record of a candidate on that case."""
        options = Options(seed=3, timing=None, timeout_s=timeout_s, limits=limits or Limits())
        outcome = self.session.evaluate(
            self._task, self._backend, source, cases=[self._case], dtypes=["float32"], options=options
        )
        return outcome.evaluations[0]

    @contextmanager
    def names(self) -> Iterator[dict[str, object]]:
        """What the faults' sources refer to."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            yield {"JUDGE": os.getpid(), "PORT": listening.getsockname()[1], "OUTSIDE": str(OUTSIDE)}

    def left(self) -> list[str]:
        """Processes and files that stayed behind."""
        processes = left_of(os.getpid(), self._others | set(self.session.nursery.pids()))
        files = [path.name for path in self.folder.iterdir()]
        marks = [str(OUTSIDE / "mark")] if (OUTSIDE / "mark").exists() else []
        return [f"process {number}" for number in sorted(processes)] + files + marks


def wrong(record: Evaluation, status: str, message: str) -> str:
    """What is wrong with the record of a fault; empty where nothing is."""
    if record.status != status:
        return f"{record.status}, expected {status}: {record.verdict.message}"
    if not re.search(message, record.verdict.message):
        return f"expected {message!r}: {record.verdict.message}"
    return "" if len(record.output) <= 4096 else f"kept {len(record.output)} characters of what it printed"
