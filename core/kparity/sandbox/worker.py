"""The worker: answers the judge's requests until the pipe closes. It is forked by `kparity.sandbox.zygote`.

What kernels print goes to the process's own standard output and error, which the judge captures and shows but never
parses.
"""

from __future__ import annotations

import contextlib
import sys

from kparity import dtypes
from kparity.assurance import Assurance
from kparity.errors import Unavailable, Unsupported
from kparity.inputs import Arrays
from kparity.loading import resolve
from kparity.sandbox import wire
from kparity.sandbox.arena import ArenaView, Block
from kparity.sandbox.engine import ImplementationFailure, Returned
from kparity.sandbox.watched import WatchedEngine
from kparity.variation import Variation

_LONGEST = 8192


class Worker:
    """Answers the judge's requests with one engine."""

    def __init__(self, arena: ArenaView) -> None:
        self._arena = arena
        self._engine: WatchedEngine | None = None

    def answer(self, request: wire.Request) -> wire.Reply:
        """Carry out one request; whatever it raises becomes a `Failed`."""
        try:
            return self._carry_out(request)
        except Unavailable as error:
            return wire.Failed("unavailable", _told(error.reason), _told(error.remedy))
        except Unsupported as error:
            return wire.Failed("unsupported", _told(str(error)))
        except ImplementationFailure as error:
            return wire.Failed("implementation", _told(str(error)))

    def _carry_out(self, request: wire.Request) -> wire.Reply:
        if isinstance(request, wire.Open):
            self._engine = WatchedEngine(resolve(request.target)())
            return wire.Opened(self._engine.open(request.index))
        engine = self._engine
        assert engine is not None
        if isinstance(request, wire.Load):
            engine.load(target=request.target, source=request.source, entry_point=request.entry_point)
            return wire.Done()
        if isinstance(request, wire.Supports):
            return wire.Supported(engine.supports(request.case))
        if isinstance(request, wire.Execute):
            returned = engine.execute(request.case, self._arena.read(request.inputs))
            return self._executed(returned, request.start, request.end)
        if isinstance(request, wire.Again):
            return self._executed(engine.again(), request.start, request.end)
        if isinstance(request, wire.Calibrate):
            return wire.Calibrated(
                engine.calibrate(ceilings=request.ceilings, known=request.known, tested=request.tested)
            )
        if isinstance(request, wire.Use):
            engine.use(request.place)
            return wire.Done()
        if isinstance(request, wire.Sample):
            return wire.Sampled(engine.sample(request.count, request.cold))
        if isinstance(request, wire.Measure):
            return wire.Measured(engine.measure(request.policy))
        return self._watched(engine, request)

    def _watched(self, engine: WatchedEngine, request: wire.Request) -> wire.Reply:
        if isinstance(request, wire.Witness):
            return wire.Testimony(engine.witnessed())
        if isinstance(request, wire.Fetch):
            seeds, outputs = engine.fetch(request.place)
            return wire.Fetched(seeds, self._sent(outputs, request.start, request.end))
        if isinstance(request, wire.Watch):
            engine.watch()
        elif isinstance(request, wire.Vary):
            pools = tuple(pool.copy() for pool in self._arena.read(request.pools))
            engine.vary(Variation(request.key, pools, request.moved))
        elif isinstance(request, wire.Stage):
            engine.stage(request.count)
        elif isinstance(request, wire.Rehearse):
            engine.rehearse(request.policy)
        elif isinstance(request, wire.Go):
            engine.go()
        return wire.Done()

    def _executed(self, returned: Returned, start: int, end: int) -> wire.Executed:
        blocks = self._sent(returned.outputs, start, end)
        return wire.Executed(blocks, returned.inputs_digest, returned.compile_s, returned.first_call_s, returned.seen)

    def _sent(self, outputs: Arrays, start: int, end: int) -> tuple[Block, ...]:
        foreign = sorted({array.dtype.name for array in outputs} - set(dtypes.NAMES))
        if foreign:
            raise ImplementationFailure(f"returned an array of {foreign[0]}, which is no dtype of kparity's")
        try:
            return self._arena.write(outputs, start, end)
        except ValueError as error:
            raise ImplementationFailure(f"returned far more than is declared: {error}") from error


def _told(text: str) -> str:
    """A message that can travel: not endless, and without characters that UTF-8 lacks."""
    return text[:_LONGEST].encode(errors="replace").decode()


def serve(requests: int, replies: int, arena: int, assurance: Assurance) -> None:
    """Answer requests until the judge closes the pipe."""
    setup = wire.SETUP.decode(wire.receive(requests))
    wire.send(replies, wire.Answer(0, setup.nonce, wire.Born(assurance)))
    worker = Worker(ArenaView(arena))
    while True:
        try:
            envelope = wire.ENVELOPE.decode(wire.receive(requests))
        except EOFError:
            return
        body = worker.answer(envelope.body)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        wire.send(replies, wire.Answer(envelope.id, setup.nonce, body))
