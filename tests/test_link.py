"""The judge's end of the pipes: what a worker says, or does not, cannot hold the judge up or into a record."""

from __future__ import annotations

import fcntl
import math
import os
import socket
import struct
import time

import msgspec
import pytest

from kparity import WorkerError
from kparity.records import Measurement
from kparity.sandbox import wire
from kparity.sandbox.engine import Block
from kparity.sandbox.link import Link, shown
from kparity.sandbox.nursery import Child


class Pipes:
    """A link whose worker's ends this test holds."""

    def __init__(self) -> None:
        self.requests, requests = os.pipe()
        replies, self.replies = os.pipe()
        output, self.output = os.pipe()
        fcntl.fcntl(self.replies, fcntl.F_SETPIPE_SZ, 1 << 18)  # so that no write of a test waits
        for descriptor in (requests, replies, output):
            os.set_blocking(descriptor, False)
        leash, self.leash = socket.socketpair()
        self.child = Child(requests, replies, output, leash)
        self.link = Link(self.child)

    def say(self, body: object, number: int = 1) -> None:
        payload = msgspec.msgpack.encode({"id": number, "nonce": "n", "body": body})
        os.write(self.replies, struct.pack("!Q", len(payload)) + payload)


@pytest.fixture
def pipes():
    made = Pipes()
    yield made
    for descriptor in (made.requests, made.replies, made.output):
        os.close(descriptor)
    made.leash.close()
    made.child.end(0)


def soon() -> float:
    return time.monotonic() + 5


MEASUREMENT = {"measurand": "device", "clock": "c", "resolution_s": 1e-9, "samples_s": [1e-3], "warmup": 1}
TIMED = {"type": "Measured", "timed": {"measurements": [MEASUREMENT], "conditions": {}}}


def with_measurement(**changes: object) -> dict[str, object]:
    return {"type": "Measured", "timed": {"measurements": [{**MEASUREMENT, **changes}], "conditions": {}}}


def test_a_sound_reply_is_taken(pipes):
    pipes.say(TIMED)
    body = pipes.link.receive(soon()).body
    assert isinstance(body, wire.Measured)
    assert isinstance(body.timed.measurements[0], Measurement)


@pytest.mark.parametrize(
    "body",
    [
        {"type": "Nonsense"},
        {"type": "Supported", "support": {"answer": "maybe"}},
        {"type": "Failed", "kind": "x", "message": "y" * 100_000},
        {"type": "Sampled", "block": {"device": [math.nan], "end_to_end": []}},
        {"type": "Executed", "outputs": [], "inputs_digest": "", "compile_s": math.inf, "first_call_s": 1.0},
        {"type": "Executed", "outputs": [[1]], "inputs_digest": "", "compile_s": 1.0, "first_call_s": 1.0},
        with_measurement(samples_s=[]),
        with_measurement(samples_s=[-1.0]),
        with_measurement(interval_s=[math.nan, 1.0]),
        {"type": "Measured", "timed": {"measurements": [], "conditions": {"before": {"clock": math.nan}}}},
        [],
        None,
    ],
)
def test_what_no_record_may_hold_is_refused(pipes, body):
    pipes.say(body)
    with pytest.raises(WorkerError, match="broke the protocol"):
        pipes.link.receive(soon())


def test_a_worker_that_does_not_read_does_not_stop_the_judge(pipes):
    large = wire.Envelope(1, wire.Load("", "x" * (1 << 20), "f"))
    with pytest.raises(TimeoutError):
        pipes.link.send(large, time.monotonic() + 0.2)


def test_a_reply_before_the_request_is_refused(pipes):
    pipes.say({"type": "Done"})
    with pytest.raises(WorkerError, match="spoke before it was asked"):
        pipes.link.send(wire.Setup("n"), soon())


def test_output_is_taken_up_while_waiting_and_its_end_kept(pipes):
    os.set_blocking(pipes.output, False)
    with pytest.raises(TimeoutError):
        pipes.link.receive(time.monotonic() + 0.05)
    for _ in range(40):
        os.write(pipes.output, b"x" * 1000)
    os.write(pipes.output, b"the end")
    text = pipes.link.output()
    assert text.endswith("xthe end")
    assert len(text) == 4096
    assert pipes.link.output() == ""


def test_text_is_shown_without_control_characters():
    assert shown("a\x1b[31mb\r\nc\td\x07", 100) == "a\N{REPLACEMENT CHARACTER}[31mb\nc\td\N{REPLACEMENT CHARACTER}"
    assert shown("abc", 2) == "bc"


def test_samples_of_a_block_are_numbers(pipes):
    pipes.say({"type": "Sampled", "block": {"device": [], "end_to_end": [1.0]}})
    body = pipes.link.receive(soon()).body
    assert isinstance(body, wire.Sampled)
    assert body.block == Block([], [1.0])
