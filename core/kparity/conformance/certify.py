"""The judge's side of a conformance run: keeps a worker, survives its end, and makes the certificate."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.connection import Connection

import msgspec

from kparity.backend import Backend, DeviceInfo
from kparity.catalogue import Catalogue
from kparity.conformance.model import Certificate, Finding
from kparity.conformance.suite import PROMISES
from kparity.conformance.worker import Job, Opened, Setup
from kparity.environment import now
from kparity.errors import Unavailable, WorkerError
from kparity.host import host_info
from kparity.loading import Implementation
from kparity.version import API_VERSION, __version__

TIMEOUT_S = 180.0
"""For one promise, and for opening the device; then the worker is ended."""

_KERNELS = 3
_SHOWN = 600


class Examination:
    """Examines promises of one backend, one at a time, in a process that is replaced when it dies or a promise broke.

    Args:
        backend: only its class is used; the worker makes its own instance.
        kernels: see `examples_of`.
        index: of the device.
        timeout_s: for one promise.
    """

    def __init__(
        self,
        backend: type[Backend],
        kernels: Iterable[tuple[str, Implementation]] = (),
        *,
        index: int = 0,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._job = Job(f"{backend.__module__}:{backend.__qualname__}", index, tuple(kernels))
        self._timeout_s = timeout_s
        self._worker: _Worker | None = None
        self.device: DeviceInfo | None = None

    def finding(self, name: str) -> Finding:
        """How the promise called `name` comes out. A worker that dies or hangs over it is a breach.

        Raises:
            Unavailable: the device does not open, and the backend says why.
        """
        promise = PROMISES[name]
        try:
            worker = self._running()
            finding = msgspec.json.decode(worker.ask(name.encode(), self._timeout_s), type=Finding)
        except WorkerError as error:
            finding = Finding(name, promise.text, "broken", str(error))
        if finding.outcome == "broken":
            self.close()
        return finding

    def close(self) -> None:
        """End the worker and whatever it started."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _running(self) -> _Worker:
        if self._worker is None:
            self._worker = _Worker()
            setup = msgspec.json.encode(Setup(list(sys.path), self._job))
            opened = msgspec.json.decode(self._worker.ask(setup, self._timeout_s), type=Opened)
            if opened.device is None:
                self.close()
                raise Unavailable(opened.reason, opened.remedy) if opened.absent else WorkerError(opened.reason)
            self.device = opened.device
        return self._worker


def certify(
    catalogue: Catalogue,
    name: str,
    *,
    known: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
    watch: Callable[[Finding], None] = lambda finding: None,
) -> Certificate:
    """Examine every promise of one backend.

    Args:
        catalogue: where the backend is registered.
        name: of the backend.
        known: reasons of failures that are known, by promise; see `kparity.conformance.model.read_known`.
        timeout_s: for one promise.
        watch: called with each finding as it is made.

    Raises:
        UnknownNameError: no such backend.
        Unavailable: its device cannot be opened here.
    """
    backend = type(catalogue.backend(name))
    reasons, findings = dict(known or {}), []
    examination = Examination(backend, examples_of(catalogue, name), timeout_s=timeout_s)
    try:
        for promise in PROMISES:
            finding = msgspec.structs.replace(examination.finding(promise), known=reasons.get(promise, ""))
            findings.append(finding)
            watch(finding)
    finally:
        examination.close()
    owner = catalogue.owner("backend", name)
    version = catalogue.plugins.get(owner.partition("/")[0], "")
    return Certificate(
        kparity=__version__,
        api=API_VERSION,
        backend=name,
        plugin=f"{owner} {version}".strip(),
        device=examination.device,
        host=host_info(),
        taken_at=now(),
        findings=tuple(findings),
    )


def examples_of(catalogue: Catalogue, backend: str) -> list[tuple[str, Implementation]]:
    """A few implementations of each line-up, those with the smallest cases; with where their tasks' specs lie."""
    chosen: dict[str, list[tuple[int, str, Implementation]]] = {}
    for spec in catalogue.tasks.values():
        for one in catalogue.implementations(spec.name, backend):
            if not one.costly:
                smallest = min(case.elements for case in spec.cases())
                chosen.setdefault(one.name, []).append((smallest, spec.target, one))
    return [
        (target, one)
        for lineup in chosen.values()
        for _, target, one in sorted(lineup, key=lambda item: item[0])[:_KERNELS]
    ]


class _Worker:
    """A process and the two pipes to it."""

    def __init__(self) -> None:
        theirs, ours = os.pipe()
        back, reply = os.pipe()
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kparity.conformance.worker", str(theirs), str(reply)],
            stdin=subprocess.DEVNULL,
            stdout=self._printed,
            stderr=self._printed,
            pass_fds=(theirs, reply),
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        )
        os.close(theirs)
        os.close(reply)
        self._requests, self._replies = Connection(ours, readable=False), Connection(back, writable=False)

    def ask(self, message: bytes, timeout_s: float) -> bytes:
        """Send a message and wait for the reply.

        Raises:
            WorkerError: it died or did not answer in time.
        """
        try:
            self._requests.send_bytes(message)
            if not self._replies.poll(timeout_s):
                raise WorkerError(f"no answer within {timeout_s:g} s; the process was ended")
            return self._replies.recv_bytes()
        except (EOFError, OSError):
            raise WorkerError(f"its process died: {self._cause_of_death()}") from None

    def close(self) -> None:
        """End the whole process group."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._requests.close()
        self._replies.close()
        self._printed.close()

    def _cause_of_death(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it closed its pipe but still runs"
        size = os.fstat(self._printed.fileno()).st_size
        printed = os.pread(self._printed.fileno(), _SHOWN, max(0, size - _SHOWN)).decode(errors="replace").strip()
        cause = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"{cause}; it printed: {printed}" if printed else cause
