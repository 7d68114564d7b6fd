"""Arithmetic of another style: the same reference, with sums, products and elementary functions carried out otherwise.

A `Styled` array hands every NumPy operation on it to a `Style`. Honest realizations and mutants of the arithmetic are
made so; nothing here is used by `kparity.bounds`, so that the bound can be held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kparity import dtypes

Elementary = Callable[..., np.ndarray]


class Style:
    """How an implementation computes; the defaults are NumPy's own ways.

    Attributes:
        elementary: replacements of elementwise functions, by the name of the NumPy or SciPy function.
    """

    elementary: Mapping[str, Elementary] = {}

    def total(self, terms: np.ndarray) -> np.ndarray:
        """The sum over the first axis, which is not empty."""
        return np.asarray(np.add.reduce(terms, axis=0))

    def running(self, terms: np.ndarray) -> np.ndarray:
        """The running sums along the first axis."""
        return np.asarray(np.add.accumulate(terms, axis=0))

    def product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The matrix product over the last axis of `a` and the last but one of `b`."""
        return np.asarray(a @ b)

    def finish(self, result: np.ndarray) -> np.ndarray:
        """What becomes of the result of any operation."""
        return result


class Styled(np.ndarray):
    """An array with which everything is computed in a style."""

    style: Style | None = None

    def __array_finalize__(self, parent: Any) -> None:
        """Hand the style on to views and copies."""
        self.style = getattr(parent, "style", None)

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        """What NumPy's other functions return keeps the style."""
        result = super().__array_function__(function, types, arguments, keywords)
        return _styled(np.asarray(result), self.style) if isinstance(result, np.ndarray) and self.style else result

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        """Compute as the style says."""
        style = next(
            one.style for one in inputs + tuple(out or ()) if isinstance(one, Styled) and one.style is not None
        )
        plain = [_plain(one) for one in inputs]
        keywords = {key: _plain(one) for key, one in keywords.items()}
        result = _compute(style, ufunc, method, plain, keywords)
        if not isinstance(result, np.ndarray | np.generic):
            return result
        result = np.asarray(result)
        if result.dtype.kind == "f":
            result = style.finish(result).astype(result.dtype, copy=False)
        if out is not None:
            np.asarray(out[0])[...] = result
            return out[0]
        return _styled(result, style)


def styled(array: np.ndarray, style: Style) -> np.ndarray:
    """A view of `array` with which everything is computed in that style."""
    return _styled(np.asarray(array), style)


def _styled(array: np.ndarray, style: Style) -> np.ndarray:
    view = array.view(Styled)
    view.style = style
    return view


def _plain(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, Styled) else value


def _compute(style: Style, ufunc: np.ufunc, method: str, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    is_float = np.asarray(inputs[0]).dtype.kind == "f"
    if ufunc is np.add and is_float and method == "reduce" and keywords.get("initial") is None:
        return _reduce(style, np.asarray(inputs[0]), **keywords)
    if ufunc is np.add and is_float and method == "accumulate":
        axis = keywords.get("axis", inputs[1] if len(inputs) > 1 else 0)
        return np.moveaxis(style.running(np.moveaxis(inputs[0], axis, 0)), 0, axis)
    if ufunc is np.add and is_float and method == "reduceat":
        return _reduceat(style, inputs[0], inputs[1], keywords.get("axis", 0))
    if ufunc is np.matmul and is_float and min(np.ndim(inputs[0]), np.ndim(inputs[1])) >= 2 and np.size(inputs[0]):
        return style.product(inputs[0], inputs[1])
    if method == "__call__" and ufunc.__name__ in style.elementary:
        return style.elementary[ufunc.__name__](*inputs)
    return getattr(ufunc, method)(*inputs, **keywords)


def _reduce(
    style: Style,
    array: np.ndarray,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: bool = False,
    where: Any = True,
    **_: Any,
) -> np.ndarray:
    array = array if dtype is None else array.astype(dtype, copy=False)
    if where is not True:
        array = np.where(where, array, array.dtype.type(0))
    axes = tuple(range(array.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(one % array.ndim for one in axes)
    if any(array.shape[one] == 0 for one in axes):
        return np.asarray(np.sum(array, axis=axes, keepdims=keepdims))
    for one in sorted(axes, reverse=True):
        array = np.expand_dims(style.total(np.moveaxis(array, one, 0)), one)
    return array if keepdims else np.squeeze(array, axis=axes)


def _reduceat(style: Style, array: np.ndarray, starts: np.ndarray, axis: int) -> np.ndarray:
    terms, ends = np.moveaxis(array, axis, 0), [*map(int, starts[1:]), array.shape[axis]]
    sums = [
        style.total(terms[start:end]) if end - start > 1 else terms[start]
        for start, end in zip(map(int, starts), ends, strict=True)
    ]
    return np.moveaxis(np.stack(sums), 0, axis)


class Stepwise(Style):
    """Everything is summed one term after the other by `add`; the base of orders and of low precisions."""

    def order(self, count: int) -> np.ndarray:
        """In which order the terms are taken."""
        return np.arange(count)

    def start(self, term: np.ndarray) -> Any:
        """What is carried after the first term."""
        return term

    def add(self, carried: Any, term: np.ndarray) -> Any:
        """What is carried after one more term."""
        return carried + term

    def value(self, carried: Any) -> np.ndarray:
        """The sum that is carried."""
        return np.asarray(carried)

    def total(self, terms: np.ndarray) -> np.ndarray:
        """One term after the other."""
        first, *rest = self.order(len(terms))
        carried = self.start(terms[first])
        for place in rest:
            carried = self.add(carried, terms[place])
        return self.value(carried)

    def running(self, terms: np.ndarray) -> np.ndarray:
        """One term after the other, each sum kept."""
        sums = np.empty_like(terms)
        carried = None
        for place, term in enumerate(terms):
            carried = self.start(term) if place == 0 else self.add(carried, term)
            sums[place] = self.value(carried)
        return sums

    def product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The sum of outer products, one after the other."""
        first, *rest = self.order(a.shape[-1])
        carried = self.start(a[..., :, first, None] * b[..., first, None, :])
        for place in rest:
            carried = self.add(carried, a[..., :, place, None] * b[..., place, None, :])
        return self.value(carried)


class Blocked(Style):
    """Blocks are summed by NumPy, and their sums one after the other.

    Args:
        size: terms in a block.
        order: in which order the blocks' sums are added; by default from the last to the first.
    """

    def __init__(self, size: int, order: Callable[[int], np.ndarray] = lambda count: np.arange(count)[::-1]) -> None:
        self._size = size
        self._order = order

    def carry(self, total: np.ndarray) -> np.ndarray:
        """What is kept of the sum of the blocks so far."""
        return total

    def total(self, terms: np.ndarray) -> np.ndarray:
        """Block by block."""
        return self._merge([np.add.reduce(terms[start:end], axis=0) for start, end in self._blocks(len(terms))])

    def running(self, terms: np.ndarray) -> np.ndarray:
        """Running sums within the blocks, onto which the sum of the blocks before is added."""
        sums, before = np.empty_like(terms), np.zeros(terms.shape[1:], terms.dtype)
        for start, end in self._blocks(len(terms)):
            sums[start:end] = np.add.accumulate(terms[start:end], axis=0) + before
            before = self.carry(sums[end - 1])
        return sums

    def product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """A product for each block of the inner axis."""
        return self._merge([a[..., start:end] @ b[..., start:end, :] for start, end in self._blocks(a.shape[-1])])

    def _blocks(self, count: int) -> list[tuple[int, int]]:
        return [(start, min(start + self._size, count)) for start in range(0, count, self._size)]

    def _merge(self, parts: list[np.ndarray]) -> np.ndarray:
        first, *rest = self._order(len(parts))
        total = self.carry(parts[first])
        for place in rest:
            total = self.carry(total + parts[place])
        return np.asarray(total)


def rounded(array: np.ndarray, dtype: str) -> np.ndarray:
    """`array` with every element rounded to the numbers of `dtype`, in its own dtype."""
    with np.errstate(over="ignore"):
        return np.asarray(array.astype(dtypes.dtype(dtype)).astype(array.dtype))
