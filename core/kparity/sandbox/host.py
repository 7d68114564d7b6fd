"""The judge's side of a worker: asks it, doubts what it answers, and ends it with everything that it started."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from kparity.assurance import Assurance
from kparity.backend import Backend, DeviceInfo, Support
from kparity.case import Case
from kparity.clock import ClockReport
from kparity.errors import Unavailable, Unsupported, WorkerError
from kparity.inputs import Arrays
from kparity.records import Isolation
from kparity.sandbox import wire
from kparity.sandbox.arena import Arena
from kparity.sandbox.confine import judged
from kparity.sandbox.engine import Block, Calibration, ImplementationFailure, Returned
from kparity.sandbox.limits import Limits
from kparity.sandbox.link import Link, shown
from kparity.sandbox.nursery import Child, Nursery
from kparity.sandbox.watched import WatchedEngine, Witnessed
from kparity.timing import Timed, TimingPolicy
from kparity.variation import Variation

R = TypeVar("R")
_ROOM = 64 << 20
_ENDING_S = 30.0
_MEASURING_S = 180.0
"""Ceilings may take at least so long: compiling and tuning large products does, and no candidate is loaded yet."""


class Runner(Protocol):
    """What `evaluate` needs of an engine, be it in this process or in a worker."""

    isolation: Isolation
    assurance: Assurance

    def open(self, index: int) -> DeviceInfo: ...
    def supports(self, case: Case) -> Support: ...
    def load(self, *, target: str = "", source: str = "", entry_point: str = "") -> None: ...
    def execute(self, case: Case, inputs: Arrays) -> Returned: ...
    def again(self) -> Returned: ...
    def calibrate(
        self, *, ceilings: bool, known: Sequence[str] = (), tested: ClockReport | None = None
    ) -> Calibration: ...
    def measure(self, policy: TimingPolicy) -> Timed: ...
    def use(self, place: int) -> None: ...
    def sample(self, count: int, cold: bool) -> Block: ...
    def watch(self) -> None: ...
    def vary(self, variation: Variation) -> None: ...
    def stage(self, count: int) -> None: ...
    def go(self) -> None: ...
    def witnessed(self) -> Witnessed: ...
    def fetch(self, place: int) -> tuple[tuple[str, ...], Arrays]: ...
    def rehearse(self, policy: TimingPolicy) -> None: ...
    def output(self) -> str: ...
    def close(self) -> None: ...


class InlineRunner(WatchedEngine):
    """Runs in this process: quick to develop with, and the record says so."""

    isolation: Isolation = "inline"
    alone = False
    assurance = Assurance()

    def supports(self, case: Case) -> Support:
        """See `Engine.supports`; the function is told no more than a worker is."""
        return super().supports(case.disguised())

    def execute(self, case: Case, inputs: Arrays) -> Returned:
        """See `Engine.execute`."""
        return super().execute(case.disguised(), inputs)

    def output(self) -> str:
        """Nothing is captured inline."""
        return ""

    def close(self) -> None:
        """Nothing to end."""


class ProcessRunner:
    """Runs in a worker process of its own. Any thread may close it; what another one is asking then ends with an error.

    Args:
        backend: only its class is used; the worker makes its own instance.
        timeout_s: how long one request may take before the worker is ended with all that it started.
        nursery: where the worker comes from; by default one of its own, which goes when the runner is closed.
        limits: of a candidate, which is confined as far as the platform goes; None trusts what will be loaded.

    Attributes:
        assurance: how the worker was started and confined; known once it is open.
        device: what `open` reported.
    """

    isolation: Isolation = "process"

    def __init__(
        self, backend: Backend, timeout_s: float, nursery: Nursery | None = None, limits: Limits | None = None
    ) -> None:
        kind = type(backend)
        self._backend = backend
        self._target = f"{kind.__module__}:{kind.__qualname__}"
        self._timeout_s = timeout_s
        self._nonce = secrets.token_hex(16)
        self._ids = itertools.count(1)
        self._own = nursery is None
        self._nursery = nursery or Nursery()
        self._limits = limits
        self.assurance = Assurance()
        self.device: DeviceInfo | None = None
        self._arena = Arena()
        self._room = (0, 0)
        self._using = threading.RLock()
        self._closed = False
        self._start()

    def open(self, index: int) -> DeviceInfo:
        """Open the device in the worker; see `Engine.open`."""
        self.meet()
        self.device = self._ask(wire.Open(self._target, index), wire.Opened).info
        return self.device

    def supports(self, case: Case) -> Support:
        """See `Engine.supports`."""
        support = self._ask(wire.Supports(case.disguised()), wire.Supported).support
        return Support(support.answer, shown(support.reason, 2000))

    def load(self, *, target: str = "", source: str = "", entry_point: str = "") -> None:
        """See `Engine.load`."""
        self._ask(wire.Load(target, source, entry_point), wire.Done)

    def execute(self, case: Case, inputs: Arrays) -> Returned:
        """See `Engine.execute`. Outputs may be four times as large as declared; that they differ is for the verdict."""
        room = 4 * sum(array.nbytes for array in case.outputs) + _ROOM
        with self._use():
            blocks, start, end = self._arena.write(inputs, room)
            self._room = start, end
            return self._returned(wire.Execute(case.disguised(), blocks, start, end))

    def again(self) -> Returned:
        """See `Engine.again`."""
        return self._returned(wire.Again(*self._room))

    def _returned(self, request: wire.Execute | wire.Again) -> Returned:
        with self._use():
            reply = self._ask(request, wire.Executed)
            if reply.compile_s < 0 or reply.first_call_s < 0:
                raise WorkerError("the worker broke the protocol: a call took less than no time")
            outputs = self._arena.read(reply.outputs, request.start, request.end)
        return Returned(outputs, reply.inputs_digest[:64], reply.compile_s, reply.first_call_s, reply.seen)

    def calibrate(self, *, ceilings: bool, known: Sequence[str] = (), tested: ClockReport | None = None) -> Calibration:
        """See `Engine.calibrate`."""
        patience = max(self._timeout_s, _MEASURING_S) if ceilings else self._timeout_s
        return self._ask(wire.Calibrate(ceilings, tuple(known), tested), wire.Calibrated, patience).calibration

    def measure(self, policy: TimingPolicy) -> Timed:
        """See `Engine.measure`."""
        timed = self._ask(wire.Measure(policy), wire.Measured).timed
        if any(len(one.samples_s) > policy.maximum for one in timed.measurements):
            raise WorkerError(f"the worker broke the protocol: more than {policy.maximum} samples")
        return timed

    def use(self, place: int) -> None:
        """See `Engine.use`."""
        self._ask(wire.Use(place), wire.Done)

    def sample(self, count: int, cold: bool) -> Block:
        """See `Engine.sample`."""
        block = self._ask(wire.Sample(count, cold), wire.Sampled).block
        if any(not 0 < sample < math.inf for sample in (*block.device, *block.end_to_end)):
            raise WorkerError("the worker broke the protocol: a sample took no time")
        return block

    def watch(self) -> None:
        """See `Engine.watch`."""
        self._ask(wire.Watch(), wire.Done)

    def vary(self, variation: Variation) -> None:
        """See `Engine.vary`."""
        with self._use():
            blocks = self._arena.write(variation.pools, 0)[0]
            self._ask(wire.Vary(variation.key, blocks, variation.moved), wire.Done)

    def rehearse(self, policy: TimingPolicy) -> None:
        """See `Engine.rehearse`."""
        self._ask(wire.Rehearse(policy), wire.Done)

    def stage(self, count: int) -> None:
        """See `Engine.stage`."""
        self._ask(wire.Stage(count), wire.Done)

    def go(self) -> None:
        """See `Engine.go`."""
        self._ask(wire.Go(), wire.Done)

    def witnessed(self) -> Witnessed:
        """See `Engine.witnessed`."""
        return self._ask(wire.Witness(), wire.Testimony).witnessed

    def fetch(self, place: int) -> tuple[tuple[str, ...], Arrays]:
        """See `Engine.fetch`; as much room as `execute` gave."""
        start, end = self._room
        with self._use():
            reply = self._ask(wire.Fetch(place, start, end), wire.Fetched)
            return reply.seeds, self._arena.read(reply.outputs, start, end)

    def output(self) -> str:
        """The last few kilobytes that the worker printed since the last call of this method."""
        with self._using:
            return "" if self._closed else self._link.output()

    @property
    def alive(self) -> bool:
        """Whether anything is left of the worker."""
        with self._using:
            return not self._closed and not self._child.ended(0)

    def close(self) -> None:
        """End the worker and whatever it started; returns when nothing is left of it. Once more does nothing."""
        self._child.stop(_ENDING_S)
        with self._using:  # whoever was asking has met the end of the pipe
            if self._closed:
                return
            self._closed = True
            self._child.end(_ENDING_S)
            self._arena.close()
            if self._own:
                self._nursery.close()

    @contextlib.contextmanager
    def _use(self) -> Iterator[None]:
        """Nobody closes the worker's descriptors meanwhile, whose numbers may soon be those of other files."""
        with self._using:
            if self._closed:
                raise WorkerError("the worker was ended")
            yield

    def _start(self) -> None:
        self._child: Child = self._nursery.bear(self._backend, self._arena, self._limits)
        self._link = Link(self._child)

    def meet(self) -> Assurance:
        """Wait until the worker has started; where its zygote was lost over it, have another one start it.

        Raises:
            WorkerError: the worker died or did not begin in time.
        """
        with self._use():
            return self._met()

    def _met(self) -> Assurance:
        words = ""
        for _ in range(3):
            deadline = time.monotonic() + self._timeout_s
            try:
                self._link.send(wire.Setup(self._nonce), deadline)
                self.assurance = judged(self._checked(self._link.receive(deadline), 0, wire.Born).assurance)
                self._nursery.born(self._backend, self._limits)
                return self.assurance
            except TimeoutError:
                raise WorkerError(f"no worker within {self._timeout_s:g} s") from None
            except (EOFError, BrokenPipeError):
                if self._child.ended(5) and self._child.status is not None:
                    raise WorkerError(f"the worker died: {self._cause_of_death()}") from None
            self._child.end(0)
            words = self._nursery.stillborn(self._backend, self._limits)
            self._start()
        raise WorkerError(f"zygotes die before a worker begins: {shown(words, 1000)}")

    def _ask(self, request: wire.Request, expected: type[R], patience_s: float | None = None) -> R:
        number = next(self._ids)
        patience_s = self._timeout_s if patience_s is None else patience_s
        deadline = time.monotonic() + patience_s
        with self._use():
            try:
                self._link.send(wire.Envelope(number, request), deadline)
                answer = self._link.receive(deadline)
            except TimeoutError:
                raise WorkerError(f"no answer within {patience_s:g} s; the worker was ended") from None
            except (EOFError, BrokenPipeError):
                raise WorkerError(f"the worker died: {self._cause_of_death()}") from None
        return self._checked(answer, number, expected)

    def _checked(self, answer: wire.Answer, number: int, expected: type[R]) -> R:
        if answer.id != number or not secrets.compare_digest(answer.nonce.encode(), self._nonce.encode()):
            raise WorkerError("the worker broke the protocol: wrong correlation id or nonce")
        if isinstance(answer.body, wire.Failed):
            raise _raised(answer.body)
        if not isinstance(answer.body, expected):
            raise WorkerError(f"the worker broke the protocol: {type(answer.body).__name__} is no {expected.__name__}")
        return answer.body

    def _cause_of_death(self) -> str:
        if not self._child.ended(5):
            return "it closed its pipe but still runs"
        status = self._child.status
        if status is None:
            return "its keeper was lost"
        if os.WIFSIGNALED(status):
            return signal.Signals(os.WTERMSIG(status)).name
        return f"exit status {os.waitstatus_to_exitcode(status)}"


def _raised(failed: wire.Failed) -> Exception:
    message, remedy = shown(failed.message, 8192), shown(failed.remedy, 8192)
    if failed.kind == "unavailable":
        return Unavailable(message, remedy)
    return Unsupported(message) if failed.kind == "unsupported" else ImplementationFailure(message)
