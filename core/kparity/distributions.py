"""What the inputs of a kernel look like: never all ones or zeros, so that a skipped step shows.

Every distribution draws from a counter-based generator that the caller keys; see `kparity.inputs`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kparity.axes import Expression

Bound = int | float | str
"""A number, or an axis expression such as `"vocab"`."""


class Distribution(ABC):
    """How one input is drawn.

    Attributes:
        independent: elements are drawn independently of each other, so that any of them may be replaced by another
            draw: what lets inputs change between timed calls.
    """

    independent: ClassVar[bool] = False

    @abstractmethod
    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], values: Mapping[str, Any]) -> np.ndarray:
        """Draw an array of `shape`; the caller rounds it to the input's dtype.

        Args:
            rng: keyed by (seed, task, case, input name).
            shape: of the input, as the case binds it.
            values: the case's axes and attributes, for bounds that are axis expressions.
        """

    def support(self) -> tuple[Bound, Bound] | None:
        """Where the numbers may lie, for patterns that hunt; None keeps every pattern away, as structure demands."""
        return None


def resolve(bound: Bound, values: Mapping[str, Any]) -> int | float:
    """The number that a bound stands for, given axes and attributes."""
    return Expression(bound).evaluate(values) if isinstance(bound, str) else bound


@dataclass(frozen=True)
class normal(Distribution):  # noqa: N801 - reads as a verb in specs
    """Normal with the given mean and standard deviation (a number or an axis expression)."""

    independent: ClassVar[bool] = True
    mean: Bound = 0.0
    std: Bound = 1.0

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], values: Mapping[str, Any]) -> np.ndarray:
        drawn = rng.standard_normal(shape, dtype=np.float32)
        mean, std = resolve(self.mean, values), resolve(self.std, values)
        if std != 1.0:
            drawn *= np.float32(std)
        if mean != 0.0:
            drawn += np.float32(mean)
        return drawn

    def support(self) -> tuple[Bound, Bound]:
        """Any number."""
        return -math.inf, math.inf


@dataclass(frozen=True)
class uniform(Distribution):  # noqa: N801
    """Uniform on [low, high), as float32; rounding to a narrower dtype may reach `high`."""

    independent: ClassVar[bool] = True
    low: Bound = 0.0
    high: Bound = 1.0

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], values: Mapping[str, Any]) -> np.ndarray:
        low, high = resolve(self.low, values), resolve(self.high, values)
        drawn = rng.random(shape, dtype=np.float32) * np.float32(high - low) + np.float32(low)
        largest = np.nextafter(np.float32(high), np.float32(low))  # the sum may have been rounded up to `high`
        return np.asarray(np.minimum(drawn, largest))

    def support(self) -> tuple[Bound, Bound]:
        """The declared interval."""
        return self.low, self.high


@dataclass(frozen=True)
class log_uniform(Distribution):  # noqa: N801
    """Positive numbers in [low, high) of every magnitude alike; with `signed`, half of them negative."""

    low: float = 1e-3
    high: float = 1e3
    signed: bool = False

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], values: Mapping[str, Any]) -> np.ndarray:
        drawn = np.exp(rng.uniform(math.log(self.low), math.log(self.high), shape))
        return np.asarray(drawn * np.where(rng.random(shape) < 0.5, -1, 1) if self.signed else drawn)

    def support(self) -> tuple[Bound, Bound] | None:
        """The declared interval; none where the sign is free."""
        return None if self.signed else (self.low, self.high)


@dataclass(frozen=True)
class hill(Distribution):  # noqa: N801
    """Positive numbers up to the middle and negative ones after it: partial sums rise high before they cancel.

    The middle is that of all axes from `start` on, taken together; magnitudes are uniform on [0.5, 1.5).
    """

    start: int = 0

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], values: Mapping[str, Any]) -> np.ndarray:
        length = math.prod(shape[self.start :])
        signs = np.where(np.arange(length) < length // 2, 1.0, -1.0).reshape(shape[self.start :])
        return np.asarray((rng.random(shape) + 0.5) * signs)


@dataclass(frozen=True)
class mirrored(Distribution):  # noqa: N801
    """Integers in [low, high) of which the second half along an axis takes back the first, but for a small rest.

    Partial sums rise high where `low` is positive, sums are small, and both are exact in any format that holds the
    integers: what a low precision loses of them shows. The rest of each pair is an integer in [-rest, rest], and so is
    the middle of an odd length.
    """

    low: int = 1
    high: int = 64
    axis: int = -1
    rest: int = 0

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], values: Mapping[str, Any]) -> np.ndarray:
        rest = np.moveaxis(rng.integers(-self.rest, self.rest, shape, endpoint=True), self.axis, 0)
        half = len(rest) // 2
        first = rng.integers(self.low, self.high, rest[:half].shape)
        middle = rest[half : len(rest) - half]
        return np.asarray(np.moveaxis(np.concatenate([first, middle, rest[:half] - first]), 0, self.axis))


@dataclass(frozen=True)
class integers(Distribution):  # noqa: N801
    """Uniform integers in [low, high); with `special`, a fraction of them is replaced by that value.

    `integers(0, "vocab")` draws indices below an axis; `special` is for sentinels such as an ignore index.
    """

    independent: ClassVar[bool] = True
    low: Bound = 0
    high: Bound = 100
    special: int | None = None
    fraction: float = 0.1

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], values: Mapping[str, Any]) -> np.ndarray:
        drawn = rng.integers(int(resolve(self.low, values)), int(resolve(self.high, values)), shape, dtype=np.int64)
        if self.special is not None:
            drawn[rng.random(shape) < self.fraction] = self.special
        return drawn

    def limits(self, values: Mapping[str, Any]) -> tuple[int, int]:
        """Low and high for these axes and attributes."""
        return int(resolve(self.low, values)), int(resolve(self.high, values))


@dataclass(frozen=True)
class permutation(Distribution):  # noqa: N801
    """Each row (last axis) is a random permutation of 0 .. n-1."""

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], values: Mapping[str, Any]) -> np.ndarray:
        rows = np.broadcast_to(np.arange(shape[-1]), shape).copy()
        return rng.permuted(rows, axis=-1)


@dataclass(frozen=True)
class ascending(Distribution):  # noqa: N801
    """Normal draws, sorted along the last axis."""

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], values: Mapping[str, Any]) -> np.ndarray:
        return np.sort(rng.standard_normal(shape, dtype=np.float32), axis=-1)


@dataclass(frozen=True)
class one_hot(Distribution):  # noqa: N801
    """Each row (last axis) is zero but for a single one at a random place."""

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], values: Mapping[str, Any]) -> np.ndarray:
        place = rng.integers(0, max(shape[-1], 1), shape[:-1])
        return np.asarray(np.arange(shape[-1]) == place[..., None], dtype=np.float32)


@dataclass(frozen=True)
class probabilities(Distribution):  # noqa: N801
    """Each row (last axis) is positive and sums to one (up to rounding)."""

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], values: Mapping[str, Any]) -> np.ndarray:
        drawn = rng.standard_exponential(shape, dtype=np.float32)
        return np.asarray(drawn / np.sum(drawn, axis=-1, keepdims=True, dtype=np.float64), dtype=np.float32)


@dataclass(frozen=True)
class positive_definite(Distribution):  # noqa: N801
    """Symmetric positive definite matrices in the last two axes: A A^T / n + I."""

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], values: Mapping[str, Any]) -> np.ndarray:
        factor = rng.standard_normal(shape, dtype=np.float64)
        size = shape[-1]
        return factor @ np.swapaxes(factor, -1, -2) / max(size, 1) + np.eye(size)
