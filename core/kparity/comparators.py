"""Comparisons for outputs whose values are not continuous: chosen indices, sets, steps, any order, random draws.

A spec names them: `compare={"indices": arg_max("x")}`. Outputs without one are held to the bound, element by element.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Values = str | Callable[..., np.ndarray]
"""Name of an input, or a function of the inputs and attributes as the reference takes them."""

_SLACK = 8.0


@dataclass(frozen=True)
class Comparison:
    """What a comparator looks at.

    Attributes:
        output: as the implementation returned it, of the declared shape and dtype.
        oracle, bound: float64 (or int64), in the same shape.
        inputs: by name, as the implementation received them.
        attributes: of the case.
    """

    output: np.ndarray
    oracle: np.ndarray
    bound: np.ndarray
    inputs: Mapping[str, np.ndarray]
    attributes: Mapping[str, Any]

    def values(self, of: Values, precision: str = "float64") -> np.ndarray:
        """An input, or what the function makes of all of them, floating-point inputs widened to `precision`."""
        wide = {
            name: np.asarray(array, dtype=np.int64 if array.dtype.kind in "iub" else precision)
            for name, array in self.inputs.items()
        }
        return np.asarray(wide[of] if isinstance(of, str) else of(*wide.values(), **self.attributes))


class Comparator(ABC):
    """How one output is compared.

    Attributes:
        rule: what an output must fulfil, in words, for messages.
    """

    rule: str

    @abstractmethod
    def wrong(self, comparison: Comparison) -> np.ndarray:
        """Which elements are wrong, in the output's shape."""


@dataclass(frozen=True)
class arg_max(Comparator):  # noqa: N801 - reads as a word in specs
    """An index of a largest value: any one of them where several are equal.

    Args:
        values: what the index points into.
        axis: along which; the index has the shape of the values without it.
    """

    values: Values
    axis: int = -1
    rule = "each index must lie in range and point at a largest value"

    def wrong(self, comparison: Comparison) -> np.ndarray:
        values = comparison.values(self.values)
        index = np.expand_dims(comparison.output.astype(np.int64), self.axis)
        inside = (index >= 0) & (index < values.shape[self.axis])
        found = np.take_along_axis(values, np.where(inside, index, 0), self.axis)
        best = np.take_along_axis(values, np.expand_dims(comparison.oracle.astype(np.int64), self.axis), self.axis)
        same = (found == best) | (np.isnan(found) & np.isnan(best))
        return np.asarray(np.squeeze(~(inside & same), self.axis))


@dataclass(frozen=True)
class top_k(Comparator):  # noqa: N801
    """Indices of the k largest values, as a set: in any order, any of them where values are equal.

    Args:
        values: what the indices point into.
        axis: along which both the values and the indices lie.
    """

    values: Values
    axis: int = -1
    rule = "the indices must be different ones, in range, and point at the same values as the oracle's, in any order"

    def wrong(self, comparison: Comparison) -> np.ndarray:
        values = np.moveaxis(comparison.values(self.values), self.axis, -1)
        index = np.moveaxis(comparison.output.astype(np.int64), self.axis, -1)
        wanted = np.moveaxis(comparison.oracle.astype(np.int64), self.axis, -1)
        inside = ((index >= 0) & (index < values.shape[-1])).all(axis=-1)
        ordered = np.sort(index, axis=-1)
        different = (ordered[..., 1:] != ordered[..., :-1]).all(axis=-1)
        found = np.sort(np.take_along_axis(values, np.clip(index, 0, values.shape[-1] - 1), -1), axis=-1)
        best = np.sort(np.take_along_axis(values, wanted, -1), axis=-1)
        same = np.array([np.array_equal(a, b, equal_nan=True) for a, b in _rows(found, best)], dtype=bool)
        good = inside & different & same.reshape(inside.shape)
        return np.asarray(np.moveaxis(np.broadcast_to(~good[..., None], index.shape), -1, self.axis))


@dataclass(frozen=True)
class unordered(Comparator):  # noqa: N801
    """The same values along an axis in any order, each within its bound."""

    axis: int = -1
    rule = "sorted along the axis, the values must lie within their bounds of the oracle's"

    def wrong(self, comparison: Comparison) -> np.ndarray:
        order = np.argsort(comparison.oracle, axis=self.axis, kind="stable")
        wanted = np.take_along_axis(comparison.oracle, order, self.axis)
        bound = np.take_along_axis(comparison.bound, order, self.axis)
        places = np.argsort(comparison.output, axis=self.axis, kind="stable")
        found = np.take_along_axis(comparison.output, places, self.axis).astype(wanted.dtype)
        with np.errstate(invalid="ignore"):
            near = (found == wanted) | (np.isnan(found) & np.isnan(wanted)) | (np.abs(found - wanted) <= bound)
        wrong = np.empty(comparison.output.shape, dtype=bool)
        np.put_along_axis(wrong, places, ~near, self.axis)
        return wrong


@dataclass(frozen=True)
class quantised(Comparator):  # noqa: N801
    """Values rounded to whole steps: the neighbouring step is right too where the value before rounding lies between.

    Args:
        before: function of the inputs and attributes that gives the values before rounding, in units of steps. It is
            evaluated in float64 and in float32; eight times their difference, or an ulp of float32 where that is more,
            is how near to the middle between two steps either of them is right.
        low, high: steps beyond which values are clipped.
    """

    before: Callable[..., np.ndarray]
    low: float = -np.inf
    high: float = np.inf
    rule = "each value must be the step nearest to the value before rounding, or the other one where that lies between"

    def wrong(self, comparison: Comparison) -> np.ndarray:
        exact = comparison.values(self.before)
        coarse = comparison.values(self.before, "float32").astype(np.float64)
        slack = _SLACK * np.maximum(np.abs(exact - coarse), np.abs(exact) * np.finfo(np.float32).eps)
        exact = np.clip(exact, self.low, self.high)
        output = comparison.output.astype(np.float64)
        whole = (output == np.rint(output)) & (output >= self.low) & (output <= self.high)
        return np.asarray(~(whole & (np.abs(output - exact) <= 0.5 + slack)))


@dataclass(frozen=True)
class distributed(Comparator):  # noqa: N801
    """Random draws from a continuous distribution, independent of each other.

    Judged by the Kolmogorov-Smirnov test on all of them, and on the differences of neighbours' ranks, so that repeated
    or sorted draws fail.

    Args:
        cdf: name of a distribution in `scipy.stats`, or a cumulative distribution function.
        parameters: of the named distribution.
        alpha: probability at which right draws are refused.
    """

    cdf: str | Callable[[np.ndarray], np.ndarray]
    parameters: tuple[float, ...] = ()
    alpha: float = 1e-9
    rule = "the values must be independent draws from the declared distribution"

    def wrong(self, comparison: Comparison) -> np.ndarray:
        from scipy import stats

        drawn = comparison.output.astype(np.float64).reshape(-1)
        cdf = getattr(stats, self.cdf)(*self.parameters).cdf if isinstance(self.cdf, str) else self.cdf
        bad = not np.isfinite(drawn).all()
        if not bad and drawn.size:
            ranks = np.asarray(cdf(drawn))
            bad = bool(stats.kstest(ranks, "uniform").pvalue < self.alpha)
            if drawn.size > 1:  # so is the difference of two independent uniform ranks, modulo 1
                following = np.mod(ranks[1::2] - ranks[: 2 * (drawn.size // 2) : 2], 1.0)
                bad |= bool(stats.kstest(following, "uniform").pvalue < self.alpha)
        return np.full(comparison.output.shape, bad)


def _rows(ones: np.ndarray, others: np.ndarray) -> Any:
    length = ones.shape[-1]
    return zip(ones.reshape(-1, length), others.reshape(-1, length), strict=True)
