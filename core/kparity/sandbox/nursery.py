"""The judge's side of zygotes: starts one for each backend when it is first needed, and another where one was lost."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Self

import msgspec

from kparity.backend import Backend
from kparity.errors import WorkerError
from kparity.sandbox.arena import Arena
from kparity.sandbox.limits import Limits, scrubbed
from kparity.sandbox.zygote import STATUS, Birth, Planted


@dataclass
class Child:
    """A worker, by what the judge holds of it.

    Attributes:
        requests, replies, output: the judge's ends of its pipes.
        leash: to its keeper.
        status: how it ended, as `os.waitpid` puts it; None as long as that is not known.
    """

    requests: int
    replies: int
    output: int
    leash: socket.socket
    status: int | None = None

    def ended(self, timeout_s: float) -> bool:
        """Wait for the keeper's report, which comes once nothing is left of the worker.

        Returns:
            True where the worker is gone; `status` is None if its keeper went without a word.
        """
        if self.status is not None or self.leash.fileno() < 0:
            return True
        poller = select.poll()
        poller.register(self.leash, select.POLLIN)
        if not poller.poll(timeout_s * 1000):
            return False
        with contextlib.suppress(OSError):
            report = self.leash.recv(STATUS.size)
            if len(report) == STATUS.size:
                (self.status,) = STATUS.unpack(report)
        return True

    def stop(self, timeout_s: float) -> None:
        """End the worker and all that it started, and wait; whoever reads from it meets the end of the pipe."""
        with contextlib.suppress(OSError):
            self.leash.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError, ValueError):
            self.ended(timeout_s)

    def end(self, timeout_s: float) -> None:
        """`stop`, and close everything; nobody may be using it any more. Once more does nothing."""
        self.stop(timeout_s)
        for descriptor in (self.requests, self.replies, self.output):
            if descriptor >= 0:
                os.close(descriptor)
        self.requests = self.replies = self.output = -1  # these numbers may soon mean something else
        self.leash.close()


class Zygote:
    """One zygote process.

    Args:
        target: the backend class that it preloads; empty for a bare one.
    """

    def __init__(self, target: str) -> None:
        self._surroundings = _surroundings()
        self._control, theirs = socket.socketpair()
        self._control.settimeout(10)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        path = [os.path.abspath(entry) for entry in sys.path if entry]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "kparity.sandbox.zygote", str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env={**scrubbed(os.environ), "PYTHONPATH": os.pathsep.join(path)},
            )
        self._send(Planted(path, target), [])

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process.poll() is None

    @property
    def fresh(self) -> bool:
        """Whether import path and the frameworks' environment are still those that it was started with."""
        return self._surroundings == _surroundings()

    def bear(self, arena: Arena, limits: Limits | None) -> Child:
        """Ask for a worker.

        Raises:
            OSError: the zygote is gone.
        """
        their_requests, requests = os.pipe()
        replies, their_replies = os.pipe()
        output, their_output = os.pipe()
        leash, their_leash = socket.socketpair()
        for descriptor in (requests, replies, output):
            os.set_blocking(descriptor, False)
        theirs = [their_requests, their_replies, arena.fileno(), their_output, their_leash.fileno()]
        child = Child(requests, replies, output, leash)
        try:
            environment = dict(os.environ) if limits is None else scrubbed(os.environ, limits.environment)
            self._send(Birth(limits, environment), theirs)
        except OSError:
            child.end(0)
            raise
        finally:
            for descriptor in (their_requests, their_replies, their_output):
                os.close(descriptor)
            their_leash.close()
        return child

    def last_words(self) -> str:
        """The end of what the process printed."""
        size = os.fstat(self._said.fileno()).st_size
        return os.pread(self._said.fileno(), 2000, max(0, size - 2000)).decode(errors="replace").strip()

    def close(self) -> None:
        """End the process; its workers live on under their keepers."""
        self._control.close()
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()

    def _send(self, message: Planted | Birth, descriptors: list[int]) -> None:
        payload = msgspec.msgpack.encode(message)
        framed = struct.pack("!I", len(payload)) + payload
        self._control.sendall(framed[socket.send_fds(self._control, [framed], descriptors) :])


def _surroundings() -> tuple[list[str], dict[str, str]]:
    return list(sys.path), scrubbed(os.environ)


class Nursery:
    """Zygotes by backend; workers come from here. Use it from several threads, and close it."""

    def __init__(self) -> None:
        self._zygotes: dict[str, Zygote] = {}
        self._lock = threading.Lock()
        self._proven: set[str] = set()
        self._barren: set[str] = set()

    def bear(self, backend: Backend, arena: Arena, limits: Limits | None) -> Child:
        """A worker for a backend. A candidate's is forked from a process with the framework imported, if that is safe.

        Registered implementations have few workers, which start side by side: each imports for itself, unless there is
        such a process already.

        Args:
            limits: for a candidate; None for a registered implementation.

        Raises:
            WorkerError: no zygote could be started.
        """
        with self._lock:
            for _ in range(3):
                zygote = self._zygote(self._key(backend, limits))
                try:
                    return zygote.bear(arena, limits)
                except OSError:
                    self._discard(self._key(backend, limits))
        raise WorkerError("no worker can be started: its zygote dies each time")

    def stillborn(self, backend: Backend, limits: Limits | None) -> str:
        """A worker ended before it began: its zygote was lost. The next one comes from another.

        A backend none of whose zygotes bore a worker gets a bare one. Returns what the lost one printed.
        """
        with self._lock:
            key = self._key(backend, limits)
            zygote = self._zygotes.get(key)
            if zygote is None:
                return ""
            deadline = time.monotonic() + 1
            while zygote.alive and time.monotonic() < deadline:
                time.sleep(0.01)
            words = zygote.last_words()
            if not zygote.alive:
                self._discard(key)
            if key and key not in self._proven:
                self._barren.add(key)
            return words

    def born(self, backend: Backend, limits: Limits | None) -> None:
        """A worker began: preloading this backend is known to work."""
        with self._lock:
            self._proven.add(self._key(backend, limits))

    def pids(self) -> list[int]:
        """The zygotes' processes."""
        with self._lock:
            return [zygote.pid for zygote in self._zygotes.values()]

    def close(self) -> None:
        """End the zygotes; workers live on until they are closed, and who asks for another one gets another zygote."""
        with self._lock:
            while self._zygotes:
                self._zygotes.popitem()[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _key(self, backend: Backend, limits: Limits | None) -> str:
        kind = type(backend)
        target = f"{kind.__module__}:{kind.__qualname__}"
        wanted = limits is not None or target in self._zygotes
        return target if wanted and backend.fork_safe and target not in self._barren else ""

    def _zygote(self, key: str) -> Zygote:
        zygote = self._zygotes.get(key)
        if zygote is not None and not (zygote.alive and zygote.fresh):
            self._discard(key)
            zygote = None
        if zygote is None:
            zygote = self._zygotes[key] = Zygote(key)
        return zygote

    def _discard(self, key: str) -> None:
        zygote = self._zygotes.pop(key, None)
        if zygote is not None:
            zygote.close()
