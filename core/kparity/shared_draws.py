"""Problems that candidates share without any of them having known the inputs."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from kparity.case import Case
from kparity.host import memory_bytes
from kparity.problem import Problem
from kparity.spec import KernelSpec


@dataclass
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    number: int = 0
    problem: Problem | None = None

    @property
    def nbytes(self) -> int:
        return self.problem.nbytes if self.problem is not None else 0


class SharedDraws:
    """Problems drawn at random, each numbered when its seed is drawn.

    A candidate was numbered when its source was fixed. It may be judged on any problem with a higher number: that seed
    was drawn afterwards. So all candidates that wait share one draw of each case, and its oracle, and yet no source can
    have been written with the inputs in view.

    Args:
        serials: where the numbers come from, those of the candidates too.
    """

    def __init__(self, serials: Iterator[int]) -> None:
        self._serials = serials
        self._capacity = memory_bytes() // 8
        self._slots: OrderedDict[tuple[str, str, int], _Slot] = OrderedDict()
        self._seed = (0, 0)
        self._guard = threading.Lock()

    def seed(self, after: int) -> int:
        """A seed for fresh shapes, drawn after that number."""
        with self._guard:
            if self._seed[0] <= after:
                self._seed = next(self._serials), secrets.randbits(48)
            return self._seed[1]

    def pose(self, spec: KernelSpec, case: Case, draw: int, after: int) -> Problem:
        """The problem of that draw, its seed drawn after that number; waits if another thread is just posing it.

        Raises:
            SpecError: the reference contradicts the declaration on this case.
        """
        key = (case.task, case.key, draw)
        with self._guard:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
        with slot.lock:
            if slot.problem is None or slot.number <= after:
                slot.number = next(self._serials)
                slot.problem = Problem.pose(spec, case, secrets.randbits(48))
                self._make_room()
            return slot.problem

    def _make_room(self) -> None:
        """Forget what was not asked for the longest."""
        with self._guard:
            held = sum(slot.nbytes for slot in self._slots.values())
            while held > self._capacity and len(self._slots) > 1:
                held -= self._slots.popitem(last=False)[1].nbytes
