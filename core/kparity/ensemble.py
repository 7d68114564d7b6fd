"""The members of the honest ensemble: arrays whose arithmetic is jittered, sequential, or a matrix unit's."""

from __future__ import annotations

import functools
import math
import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from kparity import dtypes
from kparity.draws import stream


class Jittered(np.ndarray):
    """An array whose every computed result is off by half a unit, an ulp at most: Monte Carlo arithmetic.

    It stands for all the ways in which an honest library rounds, elementary functions included, that the reference does
    not happen to take on this machine. Source: Parker, "Monte Carlo Arithmetic", UCLA CSD-970002 (1997).
    """

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        """NumPy's other functions, `np.where` for one, return plain arrays: what comes of them is of this class too."""
        return _wrap(super().__array_function__(function, types, arguments, keywords), type(self))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        plain = [_plain(value) for value in inputs]
        keywords = {key: _plain(value) for key, value in keywords.items()}
        result = np.asarray(getattr(ufunc, method)(*plain, **keywords))
        if np.issubdtype(result.dtype, np.floating) and ufunc not in _EXACT:
            moved = _times(result, _factor_table(_unit(result), result.dtype.name))
            if _places.format is not None:
                np.copyto(moved, result, where=_holds(_places.format, result))
            result = moved
        if out is not None:
            np.asarray(out[0])[...] = result
            return out[0]
        return np.asarray(result).view(Jittered)


_EXACT = frozenset({np.maximum, np.minimum, np.fmax, np.fmin, np.negative, np.positive, np.absolute, np.fabs, np.sign})
_AFFORDABLE = 1 << 28
_PERIOD = (1 << 20) - 3  # a prime, so that no row length repeats it


class _Places(threading.local):
    """Each thread reads the table at places of its own, so that a draw is the same whatever else runs."""

    random = random.Random(0)
    format: str | None = None


_places = _Places()


def set_jitter(format: str | None, key: str) -> None:
    """From here on, this thread's `Jittered` results move by up to half an ulp, as `key` draws.

    An ulp of `format`, and then only where a result is no number of that format; by default of their own dtype.
    """
    _places.format = format
    _places.random = random.Random(key)


def _holds(format: str, values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray(values.astype(dtypes.dtype(format)).astype(values.dtype) == values)


def moved(array: np.ndarray, unit: float, precision: str, place: int) -> np.ndarray:
    """`array` in `precision`, every element moved by up to half a `unit` of its magnitude, as `place` draws."""
    if unit == 0:
        return np.asarray(array.astype(precision))
    wide = array if array.dtype.itemsize >= 4 else array.astype(np.float32)  # NumPy buffers only formats of its own
    source, result, table = wide.reshape(-1), np.empty(array.shape, precision), _factor_table(unit, "float64")
    target = result.reshape(-1)
    for start in range(0, source.size, _PERIOD):
        part = source[start : start + _PERIOD]
        factors = table[place % _PERIOD :][: part.size]
        np.multiply(part, factors, out=target[start : start + _PERIOD], dtype=np.float64, casting="same_kind")
    return result


@functools.cache
def _table() -> np.ndarray:
    """Uniform on [-1/2, 1/2), read at random places: fresh numbers would cost more than the task."""
    return stream(0, "jitter").random(2 * _PERIOD, dtype=np.float32) - np.float32(0.5)


@functools.cache
def _factor_table(unit: float, dtype: str) -> np.ndarray:
    return (1 + _table().astype(np.float64) * unit).astype(dtype)


@functools.cache
def _step_table(dtype: str) -> np.ndarray:
    return (_table().astype(np.float64) * float(np.finfo(dtype).eps)).astype(dtype)


def _unit(array: np.ndarray) -> float:
    return float(dtypes.finfo(_places.format or array.dtype.name).eps)


def _times(array: np.ndarray, table: np.ndarray) -> np.ndarray:
    """`array` times numbers that are read from the table at a random place."""
    place, result = _places.random.randrange(_PERIOD), np.empty(array.shape, array.dtype)
    source, target = array.reshape(-1), result.reshape(-1)
    for start in range(0, source.size, _PERIOD):
        part = source[start : start + _PERIOD]
        np.multiply(part, table[place : place + part.size], out=target[start : start + _PERIOD])
    return result


class TensorCore(np.ndarray):
    """An array whose matrix products are summed as matrix units do: some terms at a time, each partial sum cut off.

    NVIDIA's units truncate where IEEE arithmetic rounds, so that the errors of long sums all point towards zero instead
    of cancelling. Source: Fasi, Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor cores", PeerJ CS
    7:e330 (2021).
    """

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        """NumPy's other functions, `np.where` for one, return plain arrays: what comes of them is of this class too."""
        return _wrap(super().__array_function__(function, types, arguments, keywords), type(self))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        plain = [_plain(value) for value in inputs]
        keywords = {key: _plain(value) for key, value in keywords.items()}
        if out is not None:
            keywords["out"] = tuple(np.asarray(array) for array in out)
        if ufunc is np.matmul and out is None and np.ndim(plain[0]) >= 2 and np.ndim(plain[1]) >= 2:
            return _wrap(_cut_partial_sums(plain[0], plain[1]).astype(plain[0].dtype), TensorCore)
        result = getattr(ufunc, method)(*plain, **keywords)
        return out[0] if out is not None else _wrap(result, TensorCore)


_KEEP_FLOAT32 = np.uint64(0xFFFF_FFFF_E000_0000)  # clears the 29 bits that float64's mantissa has more


def _cut_partial_sums(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product of float32 matrices as a sum of truncated partial sums, in float64 that holds float32 values.

    Over 16 terms at a time, as the hardware adds; over 64 where that would take too long, which makes a quarter of the
    error and is left to the margin.
    """
    depth, size = a.shape[-1], math.prod(a.shape[:-1]) * b.shape[-1]
    step = 16 if size * depth < 1 << 30 else 64
    total = np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]))
    for start in range(0, depth, step):
        part = a[..., start : start + step].astype(np.float64) @ b[..., start : start + step, :].astype(np.float64)
        part += total
        bits = part.view(np.uint64)
        np.bitwise_and(bits, _KEEP_FLOAT32, out=bits)
        total = part
    return total


class Sequential(np.ndarray):
    """An array whose sums are carried out one element after the other, as a naive kernel would."""

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        """NumPy's other functions, `np.where` for one, return plain arrays: what comes of them is of this class too."""
        return _wrap(super().__array_function__(function, types, arguments, keywords), type(self))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        plain = [_plain(value) for value in inputs]
        keywords = {key: _plain(value) for key, value in keywords.items()}
        if ufunc is np.add and method == "reduce" and np.ndim(plain[0]) and keywords.get("initial") is None:
            array = np.asarray(plain[0], dtype=keywords.get("dtype"))
            if keywords.get("where", True) is not True:
                array = np.where(keywords["where"], array, array.dtype.type(0))
            axis, keepdims = keywords.get("axis", 0), bool(keywords.get("keepdims", False))
            result = _add_sequentially(array, axis, keepdims, self._total)
            if out is not None:
                np.asarray(out[0])[...] = result
                result = out[0]
        else:
            if out is not None:
                keywords["out"] = tuple(np.asarray(array) for array in out)
            result = getattr(ufunc, method)(*plain, **keywords)
        return _wrap(result, type(self))

    @staticmethod
    def _total(array: np.ndarray, axis: int) -> np.ndarray:
        """The sum along an axis, which stays with length one."""
        return np.asarray(np.take(np.add.accumulate(array, axis=axis), [-1], axis=axis))


class Backwards(Sequential):
    """Sequential sums from the last element to the first: what is small and comes late is not lost behind a spike."""

    @staticmethod
    def _total(array: np.ndarray, axis: int) -> np.ndarray:
        return Sequential._total(np.flip(array, axis), axis)


class Flushed(np.ndarray):
    """An array whose subnormal results are zero, as on devices and with compilers that flush them.

    What is multiplied by large numbers afterwards is missed there, although the output itself is a normal number.
    """

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        """NumPy's other functions, `np.where` for one, return plain arrays: what comes of them is of this class too."""
        return _flushed(super().__array_function__(function, types, arguments, keywords))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        plain = [_plain(value) for value in inputs]
        keywords = {key: _plain(value) for key, value in keywords.items()}
        if out is not None:
            keywords["out"] = tuple(np.asarray(array) for array in out)
        return _flushed(getattr(ufunc, method)(*plain, **keywords))


def _flushed(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(_flushed(one) for one in result)
    if not isinstance(result, np.ndarray | np.generic):
        return result
    return flush(np.asarray(result)).view(Flushed)


def flush(array: np.ndarray) -> np.ndarray:
    """`array` with zeros for what is subnormal in its dtype."""
    if not np.issubdtype(array.dtype, np.floating):
        return array
    tiny = np.abs(array) < np.finfo(array.dtype).smallest_normal
    return np.where(tiny, array.dtype.type(0), array) if tiny.any() else array


class Wandering(Sequential):
    """Sequential sums whose every addition is off by up to half an ulp at random.

    One sequential sum tells little of how far such sums go astray: its errors may cancel by luck, and moving the terms
    by an ulp of theirs changes little, since the ulp of a long sum is so much larger.
    """

    @staticmethod
    def _total(array: np.ndarray, axis: int) -> np.ndarray:
        sums = np.add.accumulate(array, axis=axis)
        last = np.take(sums, [-1], axis=axis)
        if not np.issubdtype(array.dtype, np.floating):
            return np.asarray(last)
        steps = _times(sums, _step_table(array.dtype.name))
        return np.asarray(last + np.sum(steps, axis=axis, keepdims=True))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        if ufunc is np.matmul and out is None and min(np.ndim(one) for one in inputs) >= 2:
            return _wrap(_stray(*(np.asarray(one) for one in inputs)), Wandering)
        result: Any = super().__array_ufunc__(ufunc, method, *inputs, out=out, **keywords)
        return result


def _stray(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product of matrices, off by what as many additions of their terms in order may be off.

    Every so many terms, the partial sum moves by as much as that many roundings of it do, whose errors add up as a
    random walk does. Products with more than 2^28 terms are left alone: it would take too long.
    """
    depth, terms = a.shape[-1], math.prod(a.shape) * b.shape[-1]
    total = np.asarray(a @ b)
    if terms > _AFFORDABLE or not np.issubdtype(total.dtype, np.floating):
        return total
    step = max(8, -(-depth // 64))
    partial, error = np.zeros_like(total), np.zeros_like(total)
    for start in range(0, depth, step):
        partial += a[..., start : start + step] @ b[..., start : start + step, :]
        error += _times(partial, _step_table(total.dtype.name)) * total.dtype.type(math.sqrt(min(step, depth - start)))
    return np.asarray(total + error)


def _add_sequentially(
    array: np.ndarray, axis: Any, keepdims: bool, total: Callable[[np.ndarray, int], np.ndarray]
) -> np.ndarray:
    axes = range(array.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for one in axes:
        if array.shape[one] == 0:
            return np.asarray(np.sum(array, axis=tuple(axes), keepdims=keepdims))
        array = total(array, one)
    return array if keepdims else np.squeeze(array, axis=tuple(axes))


def _plain(value: Any) -> Any:
    """`value` without its subclass: NumPy would hand a call that still holds one straight back."""
    return np.asarray(value) if isinstance(value, Jittered | Sequential | TensorCore | Flushed) else value


def _wrap(result: Any, kind: type[np.ndarray]) -> Any:
    if isinstance(result, tuple):
        return tuple(_wrap(one, kind) for one in result)
    return np.asarray(result).view(kind) if isinstance(result, np.ndarray | np.generic) else result
