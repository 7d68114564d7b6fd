"""A candidate that was submitted: what is asked of it, and its outcome to come."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field

from kparity.cascade import Request
from kparity.session import Outcome
from kparity.station import Station


class Submission(Future[Outcome]):
    """The outcome of one candidate, to come. `cancel` also ends one that is being evaluated."""

    def __init__(self) -> None:
        super().__init__()
        self._station: Station | None = None
        self._abandoned = False
        self._guard = threading.Lock()

    def cancel(self) -> bool:
        """Give it up: it is not begun, or its worker is ended and the result raises `CancelledError`.

        Returns:
            False where it was finished already.
        """
        if super().cancel():
            return True
        with self._guard:
            if self.done():
                return False
            self._abandoned = True
            if self._station is not None:
                self._station.end()
        return True

    def work_on(self, station: Station) -> None:
        """It is being evaluated there.

        Raises:
            CancelledError: it was given up before.
        """
        with self._guard:
            self._station = station
            if self._abandoned:
                raise CancelledError

    def leave(self) -> bool:
        """The worker is about to end; returns whether the submission was given up meanwhile."""
        with self._guard:
            self._station = None
            return self._abandoned


@dataclass(order=True)
class Queued:
    """A submission that waits; the lowest rank goes first."""

    rank: tuple[int, int]
    request: Request = field(compare=False)
    submission: Submission = field(compare=False)
