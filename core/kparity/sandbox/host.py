"""The judge's side of a worker: starts it, asks it, and ends it with its whole process group."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from typing import Protocol, TypeVar

import msgspec

from kparity.backend import Backend, DeviceInfo, Support
from kparity.case import Case
from kparity.errors import Unavailable, Unsupported, WorkerError
from kparity.inputs import Arrays
from kparity.records import Isolation
from kparity.sandbox import wire
from kparity.sandbox.engine import Block, Calibration, Engine, ImplementationFailure, Returned
from kparity.timing import Timed, TimingPolicy

R = TypeVar("R")
_SHOWN = 4096


class Runner(Protocol):
    """What `evaluate` needs of an engine, be it in this process or in a worker."""

    isolation: Isolation

    def open(self, index: int) -> DeviceInfo: ...
    def supports(self, case: Case) -> Support: ...
    def load(self, *, target: str = "", source: str = "", entry_point: str = "") -> None: ...
    def execute(self, case: Case, inputs: Arrays) -> Returned: ...
    def calibrate(self, *, ceilings: bool) -> Calibration: ...
    def measure(self, policy: TimingPolicy) -> Timed: ...
    def sample(self, count: int, cold: bool) -> Block: ...
    def output(self) -> str: ...
    def close(self) -> None: ...


class InlineRunner(Engine):
    """Runs in this process: quick to develop with, and the record says so."""

    isolation: Isolation = "inline"

    def output(self) -> str:
        """Nothing is captured inline."""
        return ""

    def close(self) -> None:
        """Nothing to end."""


class ProcessRunner:
    """Runs in a worker process of its own.

    Args:
        backend: only its class is used; the worker makes its own instance.
        timeout_s: how long one request may take before the worker's process group is killed.
    """

    isolation: Isolation = "process"

    def __init__(self, backend: Backend, timeout_s: float) -> None:
        kind = type(backend)
        self._target = f"{kind.__module__}:{kind.__qualname__}"
        self._timeout_s = timeout_s
        self._nonce = secrets.token_hex(16)
        self._ids = itertools.count(1)
        self._arena = wire.Arena.create()
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._shown = 0
        self._start()

    def open(self, index: int) -> DeviceInfo:
        """Open the device in the worker; see `Engine.open`."""
        return self._ask(wire.Open(self._target, index), wire.Opened).info

    def supports(self, case: Case) -> Support:
        """See `Engine.supports`."""
        return self._ask(wire.Supports(case), wire.Supported).support

    def load(self, *, target: str = "", source: str = "", entry_point: str = "") -> None:
        """See `Engine.load`."""
        self._ask(wire.Load(target, source, entry_point), wire.Done)

    def execute(self, case: Case, inputs: Arrays) -> Returned:
        """See `Engine.execute`."""
        blocks, free = self._arena.write(inputs)
        reply = self._ask(wire.Execute(case, blocks, free), wire.Executed)
        outputs = self._arena.read(reply.outputs, copy=True)
        return Returned(outputs, reply.inputs_digest, reply.compile_s, reply.first_call_s)

    def calibrate(self, *, ceilings: bool) -> Calibration:
        """See `Engine.calibrate`."""
        return self._ask(wire.Calibrate(ceilings), wire.Calibrated).calibration

    def measure(self, policy: TimingPolicy) -> Timed:
        """See `Engine.measure`."""
        return self._ask(wire.Measure(policy), wire.Measured).timed

    def sample(self, count: int, cold: bool) -> Block:
        """See `Engine.sample`."""
        return self._ask(wire.Sample(count, cold), wire.Sampled).block

    def output(self) -> str:
        """The last few kilobytes that the worker printed since the last call of this method."""
        size = os.fstat(self._printed.fileno()).st_size
        start = max(self._shown, size - _SHOWN)
        self._shown = size
        return os.pread(self._printed.fileno(), size - start, start).decode(errors="replace").strip()

    def close(self) -> None:
        """End the worker and whatever it started."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for descriptor in (self._requests, self._replies):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._arena.close()
        self._printed.close()

    def _start(self) -> None:
        their_requests, self._requests = os.pipe()
        self._replies, their_replies = os.pipe()
        descriptors = (their_requests, their_replies, self._arena.fileno())
        command = [sys.executable, "-m", "kparity.sandbox.worker", *map(str, descriptors)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._printed,
            stderr=self._printed,
            pass_fds=descriptors,
            start_new_session=True,
            env=environment,
        )
        os.close(their_requests)
        os.close(their_replies)
        wire.send(self._requests, wire.Setup(self._nonce, list(sys.path)))

    def _ask(self, request: wire.Request, expected: type[R]) -> R:
        number = next(self._ids)
        try:
            wire.send(self._requests, wire.Envelope(number, request))
            answer = msgspec.msgpack.decode(wire.receive(self._replies, self._timeout_s), type=wire.Answer)
        except TimeoutError:
            raise WorkerError(f"no answer within {self._timeout_s:g} s; the worker was ended") from None
        except (EOFError, BrokenPipeError):
            raise WorkerError(f"the worker died: {self._cause_of_death()}") from None
        except msgspec.DecodeError as error:
            raise WorkerError(f"the worker broke the protocol: {error}") from error
        if answer.id != number or not secrets.compare_digest(answer.nonce, self._nonce):
            raise WorkerError("the worker broke the protocol: wrong correlation id or nonce")
        if isinstance(answer.body, wire.Failed):
            raise _raised(answer.body)
        if not isinstance(answer.body, expected):
            raise WorkerError(f"the worker broke the protocol: {type(answer.body).__name__} is no {expected.__name__}")
        return answer.body

    def _cause_of_death(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it closed its pipe but still runs"
        if code < 0:
            return signal.Signals(-code).name
        return f"exit status {code}"


def _raised(failed: wire.Failed) -> Exception:
    if failed.kind == "unavailable":
        return Unavailable(failed.message, failed.remedy)
    return Unsupported(failed.message) if failed.kind == "unsupported" else ImplementationFailure(failed.message)
