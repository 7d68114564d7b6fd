"""Which station evaluates which cases: dealt out as stations become free, again where one is lost."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping

CaseId = tuple[str, str]
"""Task and key of a case. All line-ups of a case are evaluated together, so that times stay comparable."""

ATTEMPTS = 3
"""Stations that may be lost over a case before it is given up: it may be what ends them."""


class Hand:
    """Cases that were dealt to one station.

    Attributes:
        cases: number of records that make each case complete.
    """

    def __init__(self, cases: Mapping[CaseId, int]) -> None:
        self.cases = dict(cases)


class Deck:
    """The cases of stations that are alike: any of them may evaluate any case.

    Args:
        cases: how many records make each case complete.
        stations: how many stations take from it.
        most: cases dealt at a time.
    """

    def __init__(self, cases: Mapping[CaseId, int], stations: int, most: int = 8) -> None:
        self._waiting = deque(cases.items())
        self._size = max(1, min(most, len(cases) // (3 * stations)))
        self._out = 0
        self._attempts: dict[CaseId, int] = {}
        self._given_up: list[CaseId] = []
        self._changed = threading.Condition()

    def deal(self) -> Hand | None:
        """The next cases; waits while others may still hand theirs back. None when everything is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._out)
            if not self._waiting:
                return None
            cases = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
            self._out += 1
            return Hand(dict(cases))

    def finish(self, hand: Hand, unfinished: Iterable[CaseId] = ()) -> None:
        """What came of a hand: unfinished cases go back, unless they were lost too often."""
        with self._changed:
            self._out -= 1
            for case in unfinished:
                self._attempts[case] = self._attempts.get(case, 0) + 1
                if self._attempts[case] < ATTEMPTS:
                    self._waiting.append((case, hand.cases[case]))
                else:
                    self._given_up.append(case)
            self._changed.notify_all()

    def missing(self) -> list[CaseId]:
        """Cases that nobody evaluated."""
        with self._changed:
            return [*self._given_up, *(case for case, _ in self._waiting)]
