"""The engine with detectors: fresh content for each call, outputs kept for the judge, and what was found besides."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from kparity.backend import Backend, DeviceArray
from kparity.case import Case
from kparity.inputs import Arrays
from kparity.sandbox.engine import Engine, ImplementationFailure, Returned, Seen, describe, submit
from kparity.sandbox.feed import Feed, Kept
from kparity.sandbox.vigilance import Vigilance
from kparity.timing import DeviceFault, TimingPolicy
from kparity.variation import Variation


class Witnessed(msgspec.Struct, frozen=True):
    """What a series of watched calls left behind.

    Attributes:
        slots: for each set of arguments, the seeds of its changes and its digest as it stands now.
        kept: how many calls' outputs can be fetched.
        seen: what the detectors say.
    """

    slots: tuple[tuple[tuple[str, ...], str], ...]
    kept: int
    seen: Seen


class WatchedEngine(Engine):
    """An engine that watches what it runs once it was told to; until then it is like any other.

    Attributes:
        alone: nothing but what it runs starts threads and processes in this process.
    """

    alone = True

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self._vigilance: Vigilance | None = None
        self._variation: Variation | None = None
        self._feed: Feed | None = None
        self._kept: list[Kept] = []
        self._sources: dict[int, DeviceArray] = {}
        self._rehearsed: Feed | None = None

    def watch(self) -> None:
        """Watch what is loaded from now on with every detector."""
        if self._vigilance is None:
            self._vigilance = Vigilance(self._backend, self.alone)

    def vary(self, variation: Variation) -> None:
        """From now on, every timed or staged call of what was executed last gets fresh content."""
        self._variation, self._rehearsed = variation, None

    def rehearse(self, policy: TimingPolicy) -> None:
        """Do what `measure` does only once, up to one sample that nobody sees: others wait for `measure`, not for this.

        Raises:
            ImplementationFailure: the call raised.
        """
        try:
            self._rehearsed = self._fed(2)
            self._bench.rehearse(self._rehearsed, policy)
        except DeviceFault:  # and `measure` will say so
            return
        except Exception as error:
            raise ImplementationFailure(f"while being timed: {describe(error)}") from error

    def again(self) -> Returned:
        """See `Engine.again`; memory that the call does not write shows no earlier answer."""
        self._poison(self._at.case)
        return super().again()

    def stage(self, count: int) -> None:
        """Prepare as many calls, each with arguments of its own in memory of its own; those of the first stay.

        Raises:
            ImplementationFailure: the arguments cannot be copied.
        """
        try:
            feed = self._fed(count)
            for number, slot in enumerate(feed.slots):
                feed.change(slot, stays=number == 0)
            self._poison(self._at.case)
        except Exception as error:
            raise ImplementationFailure(f"while its arguments were copied: {describe(error)}") from error

    def go(self) -> None:
        """Make the staged calls, one after the other, and wait for the device once at the end.

        Raises:
            ImplementationFailure: a call raised.
        """
        feed, executable = self._feed, self._at.executable
        assert feed is not None
        assert executable is not None
        try:
            results = [submit(executable, slot.arguments) for slot in feed.slots]
            self._backend.synchronize([output for outputs in results for output in outputs])
        except Exception as error:
            raise ImplementationFailure(f"when called again: {describe(error)}") from error
        self._kept = [Kept(tuple(slot.seeds), outputs) for slot, outputs in zip(feed.slots, results, strict=True)]

    def witnessed(self) -> Witnessed:
        """What the calls since `vary` left behind, as far as the detectors see.

        Raises:
            ImplementationFailure: the arguments cannot be read any more.
        """
        feed, vigilance = self._feed, self._vigilance
        assert feed is not None
        assert vigilance is not None
        try:
            slots = feed.finish()
        except Exception as error:
            raise ImplementationFailure(f"after being timed: {describe(error)}") from error
        for before, after in itertools.pairwise(self._kept):
            vigilance.after((), after.outputs, before.outputs)
        vigilance.inspect()
        self._kept = self._kept or feed.kept
        return Witnessed(slots, len(self._kept), vigilance.seen())

    def fetch(self, place: int) -> tuple[tuple[str, ...], Arrays]:
        """The outputs of one kept call, and the seeds of the changes of its inputs.

        Raises:
            ImplementationFailure: what was kept is no array of this backend.
        """
        case, kept = self._at.case, self._kept[place]
        assert case is not None
        try:
            return kept.seeds, tuple(self._get(output, case, position) for position, output in enumerate(kept.outputs))
        except Exception as error:
            raise ImplementationFailure(describe(error)) from error

    def _about_to_call(self, case: Case) -> None:
        self._variation, self._feed, self._kept, self._sources, self._rehearsed = None, None, [], {}, None
        self._poison(case)

    def _poison(self, case: Case | None) -> None:
        """Fill the memory that the outputs of the next call may get."""
        if self._vigilance is not None and case is not None:
            self._vigilance.before([info.nbytes for info in case.outputs])

    def _called(self, arguments: Sequence[Any], outputs: Sequence[Any], host: Arrays, returned: float) -> Seen:
        if self._vigilance is None:
            return Seen()
        self._vigilance.after(arguments, outputs)
        self._vigilance.settled(outputs, host, returned)
        self._vigilance.inspect()
        return self._vigilance.seen()

    def _timed_calls(self) -> Sequence[Callable[[], tuple[Any, ...]]]:
        if self._variation is None:
            return super()._timed_calls()
        feed, self._rehearsed = self._rehearsed or self._fed(2), None
        return feed

    def _fed(self, count: int) -> Feed:
        at, variation, vigilance = self._at, self._variation, self._vigilance
        assert at.executable is not None
        assert at.case is not None
        assert at.arguments is not None
        assert variation is not None
        assert vigilance is not None
        self._kept, self._feed = [], None  # free the last series' memory first
        copies = [at.arguments.copied(self._backend.duplicate) for _ in range(count)]
        sizes = [info.size for info in at.case.inputs]
        for place, moved in enumerate(variation.moved):
            if moved and place not in self._sources:
                self._sources[place] = at.arguments.lengthened(place)
        self._feed = Feed(self._backend, at.executable, copies, sizes, self._sources, variation, vigilance)
        return self._feed
