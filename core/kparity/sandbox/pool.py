"""Workers ready ahead of need: forked, confined, the device open, before anybody has a candidate for them."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple, Self

from kparity.backend import Backend, DeviceInfo
from kparity.errors import Unavailable, WorkerError
from kparity.sandbox.host import ProcessRunner
from kparity.sandbox.limits import Limits
from kparity.sandbox.nursery import Nursery


class OpenedRunner(NamedTuple):
    """A runner whose device is open; whoever took it closes it."""

    runner: ProcessRunner
    device: DeviceInfo


class WorkerPool:
    """Keeps opened workers of one backend in reserve and refills it in the background. Use it from several threads.

    Args:
        backend: only its class is used.
        warm: workers kept ready; 0 starts each one when it is asked for.
        at_once: workers that are opened at the same time.
        timeout_s: for one request to a worker.
        limits: of candidates; None is for registered implementations, which are trusted.
        nursery: where the workers come from; by default one of its own.
        index: which device.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        warm: int = 1,
        at_once: int = 1,
        timeout_s: float = 60.0,
        limits: Limits | None = None,
        nursery: Nursery | None = None,
        index: int = 0,
    ) -> None:
        self._backend, self._timeout_s, self._limits, self._index = backend, timeout_s, limits, index
        self._warm = warm
        self._own = nursery is None
        self._nursery = nursery or Nursery()
        self._ready: deque[OpenedRunner] = deque()
        self._failure: Unavailable | WorkerError | None = None
        self._wanted = 0
        self._opening = 0
        self._closed = False
        self._changed = threading.Condition()
        self._fillers = [
            threading.Thread(target=self._fill, name=f"pool of {backend.name}", daemon=True) for _ in range(at_once)
        ]
        for filler in self._fillers:
            filler.start()

    def take(self) -> OpenedRunner:
        """An opened runner for one candidate; close it afterwards. Waits where none is ready.

        Raises:
            Unavailable: the device cannot be opened. The next call tries again.
            WorkerError: the pool is closed, or workers die while they start.
        """
        while True:
            with self._changed:
                self._wanted += 1
                self._changed.notify_all()
                try:
                    self._changed.wait_for(lambda: self._ready or self._failure is not None or self._closed)
                finally:
                    self._wanted -= 1
                if self._closed:
                    raise WorkerError("the pool of workers is closed")
                if not self._ready:
                    failure, self._failure = self._failure, None
                    assert failure is not None
                    raise failure
                taken = self._ready.popleft()
                self._changed.notify_all()
            if taken.runner.alive:  # it may have died while it waited
                return taken
            taken.runner.close()

    def ready(self) -> int:
        """How many workers wait."""
        with self._changed:
            return len(self._ready)

    def close(self) -> None:
        """End the workers that nobody took; who waits in `take` gets a `WorkerError`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for filler in self._fillers:
            filler.join()
        while self._ready:
            self._ready.popleft().runner.close()
        if self._own:
            self._nursery.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fill(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._lacking)
                if self._closed:
                    return
                self._opening += 1
            try:
                opened: OpenedRunner | None = self._open()
            except (Unavailable, WorkerError) as error:
                opened, failure = None, error
            except Exception as error:  # somebody waits, and is told
                opened, failure = None, WorkerError(f"no worker can be started: {type(error).__name__}: {error}")
            with self._changed:
                self._opening -= 1
                if opened is not None:
                    self._ready.append(opened)
                else:
                    self._failure = failure
                self._changed.notify_all()

    def _lacking(self) -> bool:
        """Whether there is work: a failure is shown to somebody before the next try."""
        coming = len(self._ready) + self._opening
        return self._closed or (self._failure is None and coming < max(self._warm, self._wanted))

    def _open(self) -> OpenedRunner:
        runner = ProcessRunner(self._backend, self._timeout_s, self._nursery, self._limits)
        try:
            return OpenedRunner(runner, runner.open(self._index))
        except BaseException as error:
            printed = runner.output()
            runner.close()
            if isinstance(error, WorkerError):
                raise Unavailable(f"{self._backend.name} cannot be opened: {error}", printed) from error
            raise
