"""The judge's end of a worker's pipes. Nothing that the worker writes, or fails to read, can hold the judge up."""

from __future__ import annotations

import contextlib
import math
import os
import re
import select
import threading
import time

import msgspec

from kparity.errors import KparityError, WorkerError
from kparity.sandbox import wire
from kparity.sandbox.nursery import Child

_SHOWN = 4096
_LONGEST = 1 << 16
_ANSWER = msgspec.msgpack.Decoder(wire.Answer)
_DECODING = threading.Lock()
"""msgspec has crashed the process where several threads decoded the same types at once."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Link:
    """Sends requests and receives replies by a deadline; meanwhile keeps the last of what the worker prints."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._printed = bytearray()
        self._spoke = True

    def send(self, message: wire.Setup | wire.Envelope, deadline: float) -> None:
        """Write one message.

        Raises:
            BrokenPipeError: the worker does not read any more.
            TimeoutError: the worker did not read it in time.
            WorkerError: the worker has spoken unasked.
        """
        if _ready([self._child.replies], [], 0.0).get(self._child.replies, 0) & select.POLLIN:
            raise WorkerError("the worker broke the protocol: it spoke before it was asked")
        left = memoryview(wire.encode(message))
        while left:
            self._wait([], [self._child.requests], deadline)
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(self._child.requests, left) :]

    def receive(self, deadline: float) -> wire.Answer:
        """Read one reply.

        Raises:
            EOFError: the worker closed the pipe.
            TimeoutError: no complete message in time.
            WorkerError: what came is no reply.
        """
        payload = self._read(wire.length_of(self._read(wire.HEADER.size, deadline)), deadline)
        try:
            with _DECODING:
                answer = _ANSWER.decode(payload)
            _check(msgspec.to_builtins(answer.body, builtin_types=(bytes,)))
        except (msgspec.MsgspecError, KparityError, ValueError, TypeError, RecursionError, MemoryError) as error:
            raise WorkerError(f"the worker broke the protocol: {shown(str(error), 500)}") from error
        return answer

    def output(self) -> str:
        """The last few kilobytes that the worker printed since the last call of this method."""
        for _ in range(64):
            if not self._listen():
                break
        text, self._printed = bytes(self._printed), bytearray()
        return shown(text.decode(errors="replace"), _SHOWN).strip()

    def _read(self, count: int, deadline: float) -> bytes:
        received = bytearray()
        while len(received) < count:
            self._wait([self._child.replies], [], deadline)
            try:
                chunk = os.read(self._child.replies, min(count - len(received), 1 << 20))
            except BlockingIOError:
                continue
            if not chunk:
                raise EOFError
            received += chunk
        return bytes(received)

    def _wait(self, readable: list[int], writable: list[int], deadline: float) -> None:
        """Until one of the descriptors is ready; listens to what is printed meanwhile."""
        listening = [self._child.output] if self._spoke else []
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            ready = _ready([*readable, *listening], writable, left)
            if self._child.output in ready and not self._listen():
                listening = []
            if ready.keys() - {self._child.output}:
                return

    def _listen(self) -> bool:
        """Take up what was printed; False where there is nothing now, or nothing will ever come."""
        try:
            chunk = os.read(self._child.output, 1 << 16)
        except BlockingIOError:
            return False
        self._spoke = bool(chunk)
        self._printed += chunk
        del self._printed[:-_SHOWN]
        return self._spoke


def _ready(readable: list[int], writable: list[int], timeout_s: float) -> dict[int, int]:
    """Descriptors on which something happened, with what; `select` stops at descriptor 1024."""
    poller = select.poll()
    for descriptor in readable:
        poller.register(descriptor, select.POLLIN)
    for descriptor in writable:
        poller.register(descriptor, select.POLLOUT)
    return dict(poller.poll(timeout_s * 1000))


def shown(text: str, longest: int) -> str:
    """Text from a worker as it may be shown: the last `longest` characters, without control characters."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))[-longest:]


def _check(value: object) -> None:
    """Raise `WorkerError` for what no record may hold: numbers that JSON lacks, endless text."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise WorkerError(f"{value} is no finite number")
    elif isinstance(value, str):
        if len(value) > _LONGEST:
            raise WorkerError(f"a text of {len(value)} characters is too long")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check(key)
            _check(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check(inner)
