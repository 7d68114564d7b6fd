"""Messages between judge and worker: length-prefixed msgpack on private pipes.

Each request carries a correlation id, each reply repeats it together with the nonce that only this worker was given.
"""

from __future__ import annotations

import os
import struct

import msgspec

from kparity.assurance import Assurance
from kparity.backend import DeviceInfo, Support
from kparity.case import Case
from kparity.clock import ClockReport
from kparity.errors import WorkerError
from kparity.sandbox.arena import Block
from kparity.sandbox.engine import Block as SampleBlock
from kparity.sandbox.engine import Calibration, Seen
from kparity.sandbox.watched import Witnessed
from kparity.timing import Timed, TimingPolicy

HEADER = struct.Struct("!Q")
LARGEST = 1 << 24
"""Bytes of a message."""


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
    """Run the loaded implementation on the inputs in the arena; outputs go between `start` and `end`."""

    case: Case
    inputs: tuple[Block, ...]
    start: int
    end: int


class Again(msgspec.Struct, frozen=True, tag=True):
    """Call what was executed last once more; outputs go between `start` and `end`."""

    start: int
    end: int


class Calibrate(msgspec.Struct, frozen=True, tag=True):
    """Test the clock unless that was done, and, if asked to, measure the ceilings but for those known by name."""

    ceilings: bool
    known: tuple[str, ...] = ()
    tested: ClockReport | None = None


class Use(msgspec.Struct, frozen=True, tag=True):
    """Work from now on with what is loaded at that place."""

    place: int


class Sample(msgspec.Struct, frozen=True, tag=True):
    """Take a few samples of what was executed last."""

    count: int
    cold: bool


class Measure(msgspec.Struct, frozen=True, tag=True):
    """Time what was executed last."""

    policy: TimingPolicy


class Rehearse(msgspec.Struct, frozen=True, tag=True):
    """Do what `Measure` will do only once."""

    policy: TimingPolicy


class Born(msgspec.Struct, frozen=True, tag=True):
    """The first reply, with the id 0: the worker runs, confined like this."""

    assurance: Assurance


class Watch(msgspec.Struct, frozen=True, tag=True):
    """Watch what is loaded from now on."""


class Vary(msgspec.Struct, frozen=True, tag=True):
    """Change the inputs between calls from now on; the pools of values lie in the arena."""

    key: str
    pools: tuple[Block, ...]
    moved: tuple[bool, ...]


class Stage(msgspec.Struct, frozen=True, tag=True):
    """Prepare so many calls, each with arguments of its own."""

    count: int


class Go(msgspec.Struct, frozen=True, tag=True):
    """Make the staged calls."""


class Witness(msgspec.Struct, frozen=True, tag=True):
    """Say what the calls since `Vary` left behind."""


class Fetch(msgspec.Struct, frozen=True, tag=True):
    """Send the outputs of one kept call; they go between `start` and `end` of the arena."""

    place: int
    start: int
    end: int


class Opened(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Open`."""

    info: DeviceInfo


class Done(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Load`, `Watch`, `Vary`, `Stage` and `Go`."""


class Supported(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Supports`."""

    support: Support


class Executed(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Execute` and `Again`."""

    outputs: tuple[Block, ...]
    inputs_digest: str
    compile_s: float
    first_call_s: float
    seen: Seen = Seen()


class Calibrated(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Calibrate`."""

    calibration: Calibration


class Sampled(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Sample`."""

    block: SampleBlock


class Measured(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Measure`."""

    timed: Timed


class Testimony(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Witness`."""

    witnessed: Witnessed


class Fetched(msgspec.Struct, frozen=True, tag=True):
    """Reply to `Fetch`."""

    seeds: tuple[str, ...]
    outputs: tuple[Block, ...]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Reply to any request that raised."""

    kind: str
    message: str
    remedy: str = ""


Request = (
    Open
    | Load
    | Supports
    | Execute
    | Again
    | Calibrate
    | Measure
    | Rehearse
    | Sample
    | Use
    | Watch
    | Vary
    | Stage
    | Go
    | Witness
    | Fetch
)
Reply = Born | Opened | Done | Supported | Executed | Calibrated | Measured | Sampled | Testimony | Fetched | Failed


class Setup(msgspec.Struct, frozen=True):
    """The first message to a worker."""

    nonce: str


class Envelope(msgspec.Struct, frozen=True):
    """A request with its correlation id."""

    id: int
    body: Request


class Answer(msgspec.Struct, frozen=True):
    """A reply with the request's correlation id and the worker's nonce."""

    id: int
    nonce: str
    body: Reply


SETUP = msgspec.msgpack.Decoder(Setup)
ENVELOPE = msgspec.msgpack.Decoder(Envelope)
"""Made in the zygote, since making them takes longer than decoding many messages."""


def encode(message: Setup | Envelope | Answer) -> bytes:
    """The message with its length before it."""
    payload = msgspec.msgpack.encode(message)
    return HEADER.pack(len(payload)) + payload


def length_of(header: bytes | bytearray) -> int:
    """The length that stands before a message.

    Raises:
        WorkerError: it is absurd.
    """
    length: int = HEADER.unpack(header)[0]
    if length > LARGEST:
        raise WorkerError(f"a message of {length} bytes breaks the protocol (at most {LARGEST})")
    return length


def send(descriptor: int, message: Setup | Envelope | Answer) -> None:
    """Write one message; the worker's side, which waits as long as it takes.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    left = memoryview(encode(message))
    while left:
        left = left[os.write(descriptor, left) :]


def receive(descriptor: int) -> bytes:
    """Read one message's bytes; the worker's side, which waits as long as it takes.

    Raises:
        EOFError: the other side closed the pipe.
    """
    return _read(descriptor, length_of(_read(descriptor, HEADER.size)))


def _read(descriptor: int, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        chunk = os.read(descriptor, min(count - len(received), 1 << 20))
        if not chunk:
            raise EOFError
        received += chunk
    return bytes(received)
