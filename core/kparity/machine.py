"""Who may use this machine: many at once, and whoever takes a time alone."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from kparity.backend import DeviceInfo
from kparity.lease import lease


@dataclass(frozen=True)
class Gates:
    """What is held where a machine is not used alone.

    Attributes:
        shared: while the device is used.
        exclusive: while times are taken on it.
        thinking: while the judge computes.
    """

    shared: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    exclusive: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    thinking: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext


OPEN = Gates()
"""Where nobody else uses the machine."""


class Machine:
    """Many may use the machine at once, but whoever takes a time has it alone; a waiting timing goes first.

    Args:
        jobs: how many may use it at once; 0 means one for each processor core.
        apart: whatever is timed has hardware of its own, so that the judge may go on computing on the processor.
    """

    def __init__(self, jobs: int, *, apart: bool) -> None:
        self._jobs = jobs or os.cpu_count() or 1
        self.apart = apart
        self._users = 0
        self._others = 0
        self._waiting = 0
        self._timing = False
        self._quiet = False
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def shared(self, *, counted: bool = True) -> Iterator[None]:
        """Hold while working without taking times; what is not counted only makes way for whoever takes a time."""

        def free() -> bool:
            return not self._quiet and not self._waiting and (not counted or self._users < self._jobs)

        with self._changed:
            self._changed.wait_for(free)
            self._users += counted
            self._others += not counted
        try:
            yield
        finally:
            with self._changed:
                self._users -= counted
                self._others -= not counted
                self._changed.notify_all()

    def thinking(self) -> AbstractContextManager[None]:
        """Hold while the judge computes."""
        return contextlib.nullcontext() if self.apart else self.shared()

    @contextlib.contextmanager
    def exclusive(self, device: DeviceInfo, *, quiet: bool = True) -> Iterator[None]:
        """Hold while taking times on a device, which other processes leave alone meanwhile.

        Args:
            device: what is timed.
            quiet: nothing else is done on the machine meanwhile. Otherwise others, timings apart, may compile, copy and
                compute there, unless what is timed shares the processor with them.
        """
        quiet = quiet or not self.apart

        def free() -> bool:
            return not self._timing and not (self._users or self._others if quiet else self._waiting)

        with self._changed:
            self._waiting += quiet
            self._changed.wait_for(free)
            self._waiting -= quiet
            self._timing, self._quiet = True, quiet
        try:
            with lease(device):
                yield
        finally:
            with self._changed:
                self._timing = self._quiet = False
                self._changed.notify_all()
