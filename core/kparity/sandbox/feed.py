"""The arguments of watched calls: fresh content for each, and a few of the outputs kept for the judge."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from kparity.backend import Backend, DeviceArray, Executable
from kparity.sandbox.arguments import Arguments
from kparity.sandbox.vigilance import Vigilance
from kparity.variation import Variation

KEPT = 3
"""Calls of a timing whose outputs are kept."""


class Kept(msgspec.Struct, frozen=True):
    """One call: the seeds of all changes that its inputs had undergone, and what it returned."""

    seeds: tuple[str, ...]
    outputs: tuple[Any, ...]


class Slot(msgspec.Struct):
    """One set of arguments and the seeds of its changes so far."""

    arguments: Arguments
    seeds: list[str]


class Feed(Sequence[Callable[[], tuple[Any, ...]]]):
    """Looks like a list of calls to the timing layer; each access prepares the next call.

    Which outputs are kept is drawn after the call has returned, so that no call can know that it will be judged. They
    are copied at once: what is written later comes too late. Calls on memory that was seen before go first: what is
    remembered by its address or identity is right on all others.

    Args:
        sizes: of the inputs, in elements.
        sources: for each input that is moved on, by its place, the elements that it is filled with.
    """

    def __init__(
        self,
        backend: Backend,
        executable: Executable,
        slots: Sequence[Arguments],
        sizes: Sequence[int],
        sources: Mapping[int, DeviceArray],
        variation: Variation,
        vigilance: Vigilance,
    ) -> None:
        self._backend = backend
        self._executable = executable
        self._sizes = sizes
        self._sources = sources
        self._variation = variation
        self._vigilance = vigilance
        self._random = random.SystemRandom()
        self.slots = [Slot(arguments, []) for arguments in slots]
        self.kept: list[Kept] = []
        self._calls = 0
        self._eligible = 0
        self._repeated = False
        self._current: tuple[Slot, tuple[Any, ...]] | None = None
        self._earlier: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.slots)

    def __getitem__(self, index: Any) -> Any:
        """Settle the call before and prepare the next; any index will do."""
        self.settle()
        slot = self.slots[self._calls % len(self.slots)]
        self.change(slot)
        return functools.partial(self._call, slot)

    def change(self, slot: Slot, *, stays: bool = False) -> None:
        """Give the arguments new content by a new seed, not moved on where it `stays`, and wait until that is done."""
        variation = self._variation
        seed = variation.seed(stays=stays)
        for place, size in enumerate(self._sizes):
            if place in self._sources and not stays:
                slot.arguments.refill(place, self._sources[place], variation.offset(place, size, seed))
            change = variation.change(place, size, seed)
            if change.positions.size:
                slot.arguments.alter(place, change)
        slot.seeds.append(seed)
        self._backend.synchronize(slot.arguments)

    def settle(self) -> None:
        """Look at what the last call returned; decide now whether it is kept."""
        if self._current is None:
            return
        (slot, outputs), self._current = self._current, None
        self._vigilance.after(slot.arguments, outputs, self._earlier)
        self._earlier = outputs
        self._calls += 1
        repeats = len(slot.seeds) > 1
        if repeats and not self._repeated:
            self.kept, self._eligible, self._repeated = [], 0, True
        if repeats != self._repeated:
            return
        self._eligible += 1
        place = len(self.kept) if len(self.kept) < KEPT else self._random.randrange(self._eligible)
        if place < KEPT:
            copies = tuple(self._backend.duplicate(output) for output in outputs)
            self.kept[place : place + 1] = [Kept(tuple(slot.seeds), copies)]

    def finish(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        """Settle the last call; seeds and digest of every set of arguments as it stands now."""
        self.settle()
        return tuple((tuple(slot.seeds), slot.arguments.digest()) for slot in self.slots)

    def _call(self, slot: Slot) -> tuple[Any, ...]:
        returned = self._executable(*slot.arguments)
        outputs = tuple(returned) if isinstance(returned, tuple | list) else (returned,)
        self._current = (slot, outputs)
        return outputs
