"""Problems that many lanes share, posed once and ahead of need."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from kparity.case import Case
from kparity.errors import KparityError
from kparity.evaluation import Subject
from kparity.host import memory_bytes
from kparity.options import Options
from kparity.oracle_cache import OracleCache
from kparity.problem import Problem
from kparity.spec import KernelSpec


def oracles(options: Options, subjects: Iterable[Subject]) -> OracleCache | None:
    """Where oracles are kept for these subjects; nowhere for candidates, which might read them there."""
    if not options.oracle_cache or any(subject.source for subject in subjects):
        return None
    return OracleCache.default()


class Problems:
    """The problems of a run, posed once and shared by all lanes while memory allows.

    Args:
        seed: of their inputs.
        cache: where oracles are kept for other processes.
    """

    def __init__(self, seed: int, cache: OracleCache | None = None) -> None:
        self._seed = seed
        self._cache = cache
        self._capacity = memory_bytes() // 4
        self._posed: OrderedDict[tuple[str, str], Problem] = OrderedDict()
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._guard = threading.Lock()

    def prefetch(self, agenda: Sequence[tuple[KernelSpec, Case]], stop: threading.Event) -> None:
        """Pose problems ahead of need on idle cores, in order, as far as the cache holds them."""
        queue_of_cases = iter(agenda)
        guard = threading.Lock()

        def work() -> None:
            while not stop.is_set():
                with guard:
                    item = next(queue_of_cases, None)
                if item is None:
                    return
                spec, case = item
                while self._full() and not stop.is_set():
                    time.sleep(0.05)
                with contextlib.suppress(KparityError):  # the lane that needs it will report it
                    self.pose(spec, case)

        for _ in range(max(1, (os.cpu_count() or 1) // 4)):
            threading.Thread(target=work, daemon=True).start()

    def _full(self) -> bool:
        with self._guard:
            return sum(one.nbytes for one in self._posed.values()) > self._capacity // 2

    def pose(self, spec: KernelSpec, case: Case) -> Problem:
        """The problem of that case; waits if another lane is just posing it."""
        key = (case.task, case.key)
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            with self._guard:
                known = self._posed.get(key)
            if known is not None:
                return known
            problem = Problem.pose(spec, case, self._seed, self._cache)
            with self._guard:
                self._posed[key] = problem
                while len(self._posed) > 1 and sum(one.nbytes for one in self._posed.values()) > self._capacity:
                    self._posed.popitem(last=False)
            return problem
