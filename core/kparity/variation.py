"""Fresh content between timed calls: inputs are moved on by some elements, and a few are overwritten with other values.

The judge draws a pool of values for each input whose elements are independent of each other; the worker draws a seed
for each call, after the call before it has returned, so that nobody knows the next inputs beforehand. Where inputs are
moved on, every element differs from one call to the next, so that no answer can be had by correcting the last one;
where they stay, nearly all are the same, so that no answer can be known by a few of them. The values from the pool were
in no input before, so that none can be computed beforehand. From pool, key and seeds the judge computes what the inputs
of a call were.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from kparity import dtypes
from kparity.inputs import Arrays

if TYPE_CHECKING:
    from kparity.case import Case
    from kparity.spec import KernelSpec

POOL = 4096
"""Values drawn for each input."""

REACH = 1 << 16
"""Most elements by which an input is moved on."""

_STAYS = "-"


class Change(NamedTuple):
    """Elements of one input to overwrite: flat positions, without repetition, and what to write there."""

    positions: np.ndarray
    values: np.ndarray


class Variation(msgspec.Struct, frozen=True):
    """How the inputs of one case change.

    Attributes:
        key: the judge's part of each change's seed, in hexadecimal.
        pools: values for each input; an empty pool leaves that input as it is.
        moved: for each input, whether it is moved on: one with a pool, unless it is laid out with strides.
    """

    key: str
    pools: Arrays
    moved: tuple[bool, ...]

    @classmethod
    def draw(cls, spec: KernelSpec, case: Case, key: bytes) -> Variation:
        """A pool for every input whose distribution is of independent elements.

        Args:
            spec: declares the distributions.
            case: whose inputs change.
            key: secret and new for each use.
        """
        bindings = {**case.axes, **case.attributes}
        pools: list[np.ndarray] = []
        for place, info in enumerate(case.inputs):
            distribution = spec.inputs[info.name].distribution
            count = POOL if distribution is not None and distribution.independent and info.size else 0
            rng = _generator(key.hex(), "pool", place)
            drawn = np.empty(0)
            if distribution is not None and count:
                drawn = distribution.sample(rng, (count,), bindings)
            pools.append(np.ascontiguousarray(drawn, dtypes.dtype(info.dtype)))
        moved = tuple(bool(pool.size) and info.layout is None for pool, info in zip(pools, case.inputs, strict=True))
        return cls(key.hex(), tuple(pools), moved)

    @property
    def varies(self) -> bool:
        """Whether any input changes."""
        return any(pool.size for pool in self.pools)

    @staticmethod
    def seed(*, stays: bool) -> str:
        """A new seed; of one that `stays`, inputs are not moved on."""
        return os.urandom(8).hex() + _STAYS * stays

    @staticmethod
    def stays(seed: str) -> bool:
        """Whether inputs are not moved on by it."""
        return seed.endswith(_STAYS)

    def offset(self, place: int, size: int, seed: str) -> int:
        """How far one seed moves an input of that size on: the element there comes first, and the first ones last."""
        return int(_generator(self.key, seed, "offset", place).integers(0, reach(size)))

    def change(self, place: int, size: int, seed: str) -> Change:
        """What one seed overwrites in an input of that size: one element in 64, at least 16 and at most 4096."""
        pool, rng = self.pools[place], _generator(self.key, seed, place)
        count = min(size, max(16, min(4096, size // 64))) if pool.size else 0
        stride = size // max(count, 1)  # one position in each stretch: no repetition, and always as many
        positions = np.arange(count) * stride + rng.integers(0, max(stride, 1), count)
        picks = rng.integers(0, max(pool.size, 1), count)
        return Change(positions, pool[picks] if pool.size else pool)

    def replay(self, inputs: Arrays, seeds: Sequence[str]) -> Arrays:
        """What the inputs were after the changes of these seeds, one after another; read-only."""
        return tuple(self._replayed(place, array, seeds) for place, array in enumerate(inputs))

    def _replayed(self, place: int, array: np.ndarray, seeds: Sequence[str]) -> np.ndarray:
        moves = [number for number, seed in enumerate(seeds) if self.moved[place] and not self.stays(seed)]
        if moves:
            seeds = seeds[moves[-1] :]  # an input that is moved on is as it was at first, but for that
            flat, offset = array.reshape(-1), self.offset(place, array.size, seeds[0])
            copy = np.concatenate((flat[offset:], flat[:offset])).reshape(array.shape)
        else:
            copy = array.copy()
        for seed in seeds:
            change = self.change(place, array.size, seed)
            copy.reshape(-1)[change.positions] = change.values
        copy.flags.writeable = False
        return copy


def reach(size: int) -> int:
    """How many offsets there are for an input of that size."""
    return max(min(size, REACH), 1)


def lengthened(array: np.ndarray) -> np.ndarray:
    """The elements of `array` in a row, its first ones again behind the last: what `Backend.refill` takes them from."""
    flat = array.reshape(-1)
    return np.concatenate((flat, flat[: reach(flat.size)]))


def _generator(key: str, seed: str, *labels: str | int) -> np.random.Generator:
    digest = hashlib.sha256("/".join(map(str, (key, seed, *labels))).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
