"""The worker process: `python -m kparity.sandbox.worker REQUESTS REPLIES ARENA`, three inherited descriptors.

It reads requests and answers each one until the pipe closes. What kernels print goes to the process's own standard
output and error, which the judge captures and shows but never parses.
"""

from __future__ import annotations

import os
import sys

import msgspec

from kparity import dtypes
from kparity.backend import resolve
from kparity.errors import Unavailable, Unsupported
from kparity.sandbox import wire
from kparity.sandbox.engine import Engine, ImplementationFailure


class Worker:
    """Answers the judge's requests with one engine."""

    def __init__(self, arena: wire.Arena) -> None:
        self._arena = arena
        self._engine: Engine | None = None

    def answer(self, request: wire.Request) -> wire.Reply:
        """Carry out one request; whatever it raises becomes a `Failed`."""
        try:
            return self._carry_out(request)
        except Unavailable as error:
            return wire.Failed("unavailable", error.reason, error.remedy)
        except Unsupported as error:
            return wire.Failed("unsupported", str(error))
        except ImplementationFailure as error:
            return wire.Failed("implementation", str(error))

    def _carry_out(self, request: wire.Request) -> wire.Reply:
        if isinstance(request, wire.Open):
            self._engine = Engine(resolve(request.target)())
            return wire.Opened(self._engine.open(request.index))
        engine = self._engine
        assert engine is not None
        if isinstance(request, wire.Load):
            engine.load(target=request.target, source=request.source, entry_point=request.entry_point)
            return wire.Done()
        if isinstance(request, wire.Supports):
            return wire.Supported(engine.supports(request.case))
        if isinstance(request, wire.Execute):
            returned = engine.execute(request.case, self._arena.read(request.inputs, copy=False))
            foreign = sorted({array.dtype.name for array in returned.outputs} - set(dtypes.NAMES))
            if foreign:
                raise ImplementationFailure(f"returned an array of {foreign[0]}, which is no dtype of kparity's")
            blocks, _ = self._arena.write(returned.outputs, request.free)
            return wire.Executed(blocks, returned.inputs_digest, returned.compile_s, returned.first_call_s)
        if isinstance(request, wire.Calibrate):
            return wire.Calibrated(engine.calibrate(ceilings=request.ceilings))
        if isinstance(request, wire.Sample):
            return wire.Sampled(engine.sample(request.count, request.cold))
        return wire.Measured(engine.measure(request.policy))


def main() -> None:
    """Serve until the judge closes the pipe."""
    requests, replies, arena = (int(argument) for argument in sys.argv[1:4])
    setup = msgspec.msgpack.decode(wire.receive(requests), type=wire.Setup)
    sys.path[:] = setup.path
    for descriptor in (requests, replies, arena):
        os.set_inheritable(descriptor, False)
    worker = Worker(wire.Arena(os.fdopen(arena, "r+b", buffering=0)))
    while True:
        try:
            envelope = msgspec.msgpack.decode(wire.receive(requests), type=wire.Envelope)
        except EOFError:
            return
        wire.send(replies, wire.Answer(envelope.id, setup.nonce, worker.answer(envelope.body)))


if __name__ == "__main__":
    main()
