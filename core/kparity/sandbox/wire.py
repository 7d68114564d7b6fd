"""Messages between judge and worker: length-prefixed msgpack on a private pipe; arrays travel in shared memory.

Each request carries a correlation id, each reply repeats it together with the nonce that only this worker was given.
"""

from __future__ import annotations

import mmap
import os
import select
import struct
import tempfile
import time
from collections.abc import Sequence
from typing import BinaryIO

import msgspec
import numpy as np

from kparity import dtypes
from kparity.backend import DeviceInfo, Support
from kparity.case import Case
from kparity.errors import WorkerError
from kparity.inputs import Arrays
from kparity.sandbox.engine import Block as SampleBlock
from kparity.sandbox.engine import Calibration
from kparity.timing import Timed, TimingPolicy

_HEADER = struct.Struct("!Q")
_LARGEST = 1 << 26
_ALIGNMENT = 128


class Block(msgspec.Struct, frozen=True):
    """Where one array lies in the arena."""

    offset: int
    shape: tuple[int, ...]
    dtype: str


class Open(msgspec.Struct, frozen=True, tag=True):
    """Open device `index` of the backend class at `target`."""

    target: str
    index: int


class Load(msgspec.Struct, frozen=True, tag=True):
    """Import a target, or load source text."""

    target: str
    source: str
    entry_point: str


class Supports(msgspec.Struct, frozen=True, tag=True):
    """Ask whether the device can run a case."""

    case: Case


class Execute(msgspec.Struct, frozen=True, tag=True):
    """Run the loaded implementation on the inputs in the arena; outputs go behind `free`."""

    case: Case
    inputs: tuple[Block, ...]
    free: int


class Calibrate(msgspec.Struct, frozen=True, tag=True):
    """Test the clock and, if asked to, measure the ceilings."""

    ceilings: bool


class Sample(msgspec.Struct, frozen=True, tag=True):
    """Take a few samples of what was executed last."""

    count: int
    cold: bool


class Measure(msgspec.Struct, frozen=True, tag=True):
    """Time what was executed last."""

    policy: TimingPolicy


class Opened(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Open`."""

    info: DeviceInfo


class Done(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Load`."""


class Supported(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Supports`."""

    support: Support


class Executed(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Execute`."""

    outputs: tuple[Block, ...]
    inputs_digest: str
    compile_s: float
    first_call_s: float


class Calibrated(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Calibrate`."""

    calibration: Calibration


class Sampled(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Sample`."""

    block: SampleBlock


class Measured(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Measure`."""

    timed: Timed


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Reply to any request that raised."""

    kind: str
    message: str
    remedy: str = ""


Request = Open | Load | Supports | Execute | Calibrate | Measure | Sample
Reply = Opened | Done | Supported | Executed | Calibrated | Measured | Sampled | Failed


class Setup(msgspec.Struct, frozen=True):
    """The first message to a worker: its nonce and the import path of the judge."""

    nonce: str
    path: list[str]


class Envelope(msgspec.Struct, frozen=True):
    """A request with its correlation id."""

    id: int
    body: Request


class Answer(msgspec.Struct, frozen=True):
    """A reply with the request's correlation id and the worker's nonce."""

    id: int
    nonce: str
    body: Reply


def send(descriptor: int, message: Setup | Envelope | Answer) -> None:
    """Write one message.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    payload = msgspec.msgpack.encode(message)
    view = memoryview(_HEADER.pack(len(payload)) + payload)
    while view:
        view = view[os.write(descriptor, view) :]


def receive(descriptor: int, timeout_s: float | None = None) -> bytes:
    """Read one message's bytes.

    Raises:
        EOFError: the other side closed the pipe.
        TimeoutError: no complete message within the time.
        WorkerError: the length is absurd.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    (length,) = _HEADER.unpack(_read(descriptor, _HEADER.size, deadline))
    if length > _LARGEST:
        raise WorkerError(f"a message of {length} bytes breaks the protocol (at most {_LARGEST})")
    return _read(descriptor, length, deadline)


def _read(descriptor: int, count: int, deadline: float | None) -> bytes:
    received = bytearray()
    while len(received) < count:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise TimeoutError
        chunk = os.read(descriptor, min(count - len(received), 1 << 20))
        if not chunk:
            raise EOFError
        received += chunk
    return bytes(received)


class Arena:
    """A shared file in memory that holds arrays; either side may grow it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._map: mmap.mmap | None = None

    @classmethod
    def create(cls) -> Arena:
        """A new, empty arena; its file has no name."""
        directory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        return cls(tempfile.TemporaryFile(dir=directory, prefix="kparity-"))

    def fileno(self) -> int:
        """The descriptor to hand to the worker."""
        return self._file.fileno()

    def write(self, arrays: Sequence[np.ndarray], start: int = 0) -> tuple[tuple[Block, ...], int]:
        """Copy arrays in, one behind the other from `start`; returns where they lie and where free space begins."""
        blocks, place = [], start
        for array in arrays:
            blocks.append(Block(place, array.shape, array.dtype.name))
            place += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        mapped = self._reach(place)
        for block, array in zip(blocks, arrays, strict=True):
            self._array(mapped, block)[...] = array
        return tuple(blocks), place

    def read(self, blocks: Sequence[Block], *, copy: bool) -> Arrays:
        """The arrays at these places; views are read-only and valid until the next `write`.

        Raises:
            WorkerError: a block lies outside the arena.
        """
        end = max((block.offset + _nbytes(block) for block in blocks), default=0)
        size = os.fstat(self.fileno()).st_size
        if end > size or any(block.offset < 0 for block in blocks):
            raise WorkerError(f"a block ends at {end} in an arena of {size} bytes")
        mapped = self._reach(end)
        views = [self._array(mapped, block) for block in blocks]
        if copy:
            return tuple(view.copy() for view in views)
        for view in views:
            view.flags.writeable = False
        return tuple(views)

    def close(self) -> None:
        """Give the memory back."""
        self._map = None
        self._file.close()

    def _reach(self, size: int) -> mmap.mmap:
        size = max(size, mmap.PAGESIZE)
        if os.fstat(self.fileno()).st_size < size:
            os.ftruncate(self.fileno(), size)
        if self._map is None or len(self._map) < size:
            self._map = mmap.mmap(self.fileno(), size)
        return self._map

    @staticmethod
    def _array(mapped: mmap.mmap, block: Block) -> np.ndarray:
        if not _nbytes(block):
            return np.empty(block.shape, dtypes.dtype(block.dtype))
        return np.ndarray(block.shape, dtypes.dtype(block.dtype), buffer=mapped, offset=block.offset)


def _nbytes(block: Block) -> int:
    size = dtypes.dtype(block.dtype).itemsize
    for length in block.shape:
        if length < 0:
            raise WorkerError(f"a block of shape {block.shape} breaks the protocol")
        size *= length
    return size
