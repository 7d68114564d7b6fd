"""Fresh content between timed calls: a few elements of each input are overwritten in place with other valid values.

The judge draws a pool of values for each input whose elements are independent of each other; the worker draws a seed
for each call, after the call before it has returned, so that nobody knows the next inputs beforehand. From pool, key
and seeds the judge computes what the inputs of a call were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
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


class Change(NamedTuple):
    """Elements of one input to overwrite: flat positions, without repetition, and what to write there."""

    positions: np.ndarray
    values: np.ndarray


class Variation(msgspec.Struct, frozen=True):
    """How the inputs of one case change.

    Attributes:
        key: the judge's part of each change's seed, in hexadecimal.
        pools: values for each input; an empty pool leaves that input as it is.
    """

    key: str
    pools: Arrays

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
        return cls(key.hex(), tuple(pools))

    @property
    def varies(self) -> bool:
        """Whether any input changes."""
        return any(pool.size for pool in self.pools)

    def changes(self, sizes: Sequence[int], seed: str) -> list[Change]:
        """What one seed overwrites, in inputs of these sizes: one element in 64, at least 16 and at most 4096."""
        found = []
        for place, (size, pool) in enumerate(zip(sizes, self.pools, strict=True)):
            rng = _generator(self.key, seed, place)
            count = min(size, max(16, min(4096, size // 64))) if pool.size else 0
            stride = size // max(count, 1)  # one position in each stretch: no repetition, and always as many
            positions = np.arange(count) * stride + rng.integers(0, max(stride, 1), count)
            picks = rng.integers(0, max(pool.size, 1), count)
            found.append(Change(positions, pool[picks] if pool.size else pool))
        return found

    def replay(self, inputs: Arrays, seeds: Iterable[str]) -> Arrays:
        """What the inputs were after the changes of these seeds, one after another; read-only."""
        copies = [array.copy() for array in inputs]
        sizes = [array.size for array in inputs]
        for seed in seeds:
            for array, change in zip(copies, self.changes(sizes, seed), strict=True):
                array.reshape(-1)[change.positions] = change.values
        for array in copies:
            array.flags.writeable = False
        return tuple(copies)


def _generator(key: str, seed: str, place: int) -> np.random.Generator:
    digest = hashlib.sha256(f"{key}/{seed}/{place}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
