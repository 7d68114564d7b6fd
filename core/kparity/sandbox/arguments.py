"""What a function is called with: every input of a case on the device, each in the layout that the case gives it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kparity.backend import Backend, DeviceArray
from kparity.case import ArrayInfo
from kparity.inputs import Arrays, digest
from kparity.layouts import gather, is_untouched, places, spread
from kparity.variation import Change, lengthened


class Arguments(list[Any]):
    """Device arrays in the order of the signature. Where an input is laid out, the array is a view of a flat memory.

    Copies and changes work on that memory, so that every copy has the same layout.

    Args:
        backend: which device they lie on.
        infos: the inputs as the case declares them.
        memories: what `Backend.put` or `Backend.duplicate` gave for each: the array itself, or its flat memory.

    Raises:
        Unsupported: an input is laid out, and the backend's arrays have no strides.
    """

    def __init__(self, backend: Backend, infos: Sequence[ArrayInfo], memories: Sequence[DeviceArray]) -> None:
        self._backend = backend
        self._infos = infos
        self._memories = list(memories)
        super().__init__(map(self._view, infos, memories))

    @classmethod
    def put(cls, backend: Backend, infos: Sequence[ArrayInfo], inputs: Arrays) -> Arguments:
        """Copy the inputs over; `inputs` are contiguous and on the host."""
        hosts = (
            array if info.layout is None else spread(array, info) for info, array in zip(infos, inputs, strict=True)
        )
        return cls(backend, infos, [backend.put(host) for host in hosts])

    def copied(self, duplicate: Callable[[DeviceArray], DeviceArray]) -> Arguments:
        """The same in memory of its own, layouts included; `duplicate` copies one contiguous device array."""
        return Arguments(self._backend, self._infos, [duplicate(one) for one in self._memories])

    def alter(self, place: int, change: Change) -> None:
        """Overwrite elements of one of them, at flat positions of the array."""
        info, positions = self._infos[place], change.positions
        if info.layout is not None:
            positions = places(info, positions)
        self._replace(place, self._backend.alter(self._memories[place], positions, change.values))

    def lengthened(self, place: int) -> DeviceArray:
        """The elements of one that is not laid out in a row on the device, and its first ones once more."""
        return self._backend.put(lengthened(self._backend.get(self._memories[place])))

    def refill(self, place: int, source: DeviceArray, offset: int) -> None:
        """Fill one that is not laid out with elements of `source` from `offset` on; see `lengthened`."""
        self._replace(place, self._backend.refill(self._memories[place], source, offset))

    def _replace(self, place: int, memory: DeviceArray) -> None:
        if memory is not self._memories[place]:
            self._memories[place] = memory
            self[place] = self._view(self._infos[place], memory)

    def digest(self) -> str:
        """Content digest of the arrays as they stand on the device.

        It is no digest of any arrays where something between the elements of a laid-out one was overwritten.
        """
        touched = ""

        def hosts() -> Any:
            nonlocal touched
            for info, memory in zip(self._infos, self._memories, strict=True):
                host: np.ndarray = self._backend.get(memory)
                if info.layout is not None:
                    touched = touched if is_untouched(host, info) else " and between"
                    host = gather(host, info)
                yield host

        return digest(hosts()) + touched

    def _view(self, info: ArrayInfo, memory: DeviceArray) -> DeviceArray:
        if info.layout is None:
            return memory
        return self._backend.strided(memory, info.shape, info.layout.strides, info.layout.offset)
