"""How far an output may lie from the oracle: the bound per element that follows from the numerics contract.

    |y - y*|  <=  0.51 ulp(y*)  +  C * s

`s` is the error that honest evaluations of this very task make on these very inputs: the reference and its honest
variants run in float32, once with NumPy's pairwise sums, once with every sum done sequentially, and again in Monte
Carlo arithmetic on inputs perturbed by half a unit of the compute precision (and of whatever else the contract lets one
round to), which shows how a rounding is amplified and what other luck it could have had. The largest of them counts,
smoothed over neighbours, so that an element that came out exact by luck does not get a bound of zero.
"""

from __future__ import annotations

import functools
import math
import random
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kparity import dtypes
from kparity.case import Case
from kparity.inputs import Arrays, stream
from kparity.oracle import evaluate_reference
from kparity.spec import KernelSpec

MARGIN = 8.0
"""C: how many times the honest error is allowed."""

ROUNDING = 0.51
"""Ulps of the output dtype allowed for the final rounding."""

_TF32_EPS = 2.0**-10
_WINDOW = 129
_STEPS = 64
_ENOUGH = 1000


@dataclass(frozen=True)
class HonestError:
    """The largest error, per element, that the honest evaluations made so far.

    Attributes:
        errors: one float64 array for each output, in its shape.
        draws: perturbed evaluations that went into them.
    """

    errors: Arrays
    draws: int

    @classmethod
    def estimate(cls, spec: KernelSpec, case: Case, inputs: Arrays, oracle: Arrays) -> HonestError:
        """Evaluate the ensemble on these inputs: more members where the case is small."""
        start = cls(tuple(np.zeros(info.shape) for info in case.outputs), 0)
        if is_large(case):
            coarse = [unit for unit in _units(spec, case) if unit > np.finfo(spec.numerics.accumulate).eps]
            return start._with(_unperturbed(spec, case, inputs), oracle)._with(
                _perturbed(spec, case, inputs, coarse, range(1)), oracle
            )
        draws = 16 if case.elements < 1 << 14 else 4
        return start._with(_unperturbed(spec, case, inputs), oracle).more(spec, case, inputs, oracle, draws)

    def more(self, spec: KernelSpec, case: Case, inputs: Arrays, oracle: Arrays, draws: int) -> HonestError:
        """The same after further perturbed evaluations. It never shrinks: a larger ensemble knows the error better."""
        members = _perturbed(spec, case, inputs, _units(spec, case), range(self.draws, self.draws + draws))
        return replace(self._with(members, oracle), draws=self.draws + draws)

    def bounds(self, case: Case, oracle: Arrays) -> Arrays:
        """How far each element may lie from the oracle; zero, hence exact, for integer outputs."""
        bounds = []
        for error, truth, info in zip(self.errors, oracle, case.outputs, strict=True):
            if dtypes.is_float(info.dtype):
                rounding = ROUNDING * dtypes.spacing(truth, info.dtype)
                smooth = _smooth_by_magnitude if is_large(case) else _smooth
                bounds.append(rounding + MARGIN * smooth(error, np.abs(truth)))
            else:
                bounds.append(np.zeros(info.shape))
        return tuple(bounds)

    def _with(self, members: Iterable[Arrays], oracle: Arrays) -> HonestError:
        errors = [error.copy() for error in self.errors]
        for member in members:
            for error, value, truth in zip(errors, member, oracle, strict=True):
                with np.errstate(invalid="ignore"):
                    difference = np.abs(np.asarray(value, dtype=np.float64) - truth)
                np.fmax(error, np.where(np.isfinite(difference), difference, 0.0), out=error)
        return replace(self, errors=tuple(errors))


def _unperturbed(spec: KernelSpec, case: Case, inputs: Arrays) -> Iterator[Arrays]:
    """Every formulation in the compute precision, and the reference with sequential sums where that is affordable."""
    precision = spec.numerics.accumulate
    for formulation in (spec.reference, *spec.variants):
        yield evaluate_reference(spec, case, inputs, precision, formulation)
    if not is_large(case):
        sequential = tuple(
            array.astype(precision).view(Sequential) if dtypes.is_float(info.dtype) else array
            for array, info in zip(inputs, case.inputs, strict=True)
        )
        yield evaluate_reference(spec, case, sequential, precision)

    if _multiplies_narrow_operands(spec, case):
        moved = tuple(
            array.astype(precision).view(TensorCore) if dtypes.is_float(info.dtype) else array
            for array, info in zip(inputs, case.inputs, strict=True)
        )
        yield evaluate_reference(spec, case, moved, precision)


def _multiplies_narrow_operands(spec: KernelSpec, case: Case) -> bool:
    """Whether matrix units are the honest way to multiply: 16-bit or 8-bit operands, or TF32."""
    narrow = any(dtypes.is_float(info.dtype) and dtypes.dtype(info.dtype).itemsize < 4 for info in case.inputs)
    return narrow or spec.numerics.tf32


def _units(spec: KernelSpec, case: Case) -> list[float]:
    """Relative spacing of the formats that the contract lets an implementation round to."""
    contract = spec.numerics
    units = [float(np.finfo(contract.accumulate).eps)]
    if contract.storage_intermediates:
        storage = [info.dtype for info in case.inputs if dtypes.is_float(info.dtype)]
        units.append(max(float(dtypes.finfo(name).eps) for name in storage))
    if contract.tf32:
        units.append(_TF32_EPS)
    return units


def _perturbed(
    spec: KernelSpec, case: Case, inputs: Arrays, units: Sequence[float], draws: Iterable[int]
) -> Iterator[Arrays]:
    """Every formulation on perturbed inputs, once for each draw and each unit."""
    precision = spec.numerics.accumulate
    for draw in draws:
        for unit in units:
            moved = _perturb(case, inputs, unit, draw, precision)
            for formulation in (spec.reference, *spec.variants):
                yield evaluate_reference(spec, case, moved, precision, formulation)


def is_large(case: Case) -> bool:
    """Whether only the cheapest members of the ensemble are affordable: over 4 million elements or 4 GFLOP.

    So many elements make up for it: the error at one magnitude is the largest one seen at that magnitude anywhere.
    """
    return case.elements >= 1 << 22 or (case.flops or 0) >= 1 << 32


def _perturb(case: Case, inputs: Arrays, unit: float, draw: int, precision: str) -> Arrays:
    """Move every floating-point input by up to half a `unit` of its magnitude either way, as rounding it would.

    The arrays go on moving every result that is computed from them, by up to an ulp of `precision`; see `Jittered`.
    """
    _places.random = random.Random(f"{case.task} {case.key} {unit} {draw}")
    moved = []
    for array, info in zip(inputs, case.inputs, strict=True):
        if not dtypes.is_float(info.dtype):
            moved.append(array)
            continue
        rng = stream(draw, "perturb", case.task, info.name)
        wide = array.astype(np.float64)
        wide *= 1 + (rng.random(array.shape, dtype=np.float32) - np.float32(0.5)) * np.float64(unit)
        moved.append(wide.astype(precision).view(Jittered))
    return tuple(moved)


def _smooth(error: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
    """The smaller of two local means over neighbours in memory order: of the error, and of the relative error.

    Root mean squares over a window along the last axes; the window reaches over rows where rows are short.
    """
    from scipy.ndimage import uniform_filter1d

    flat, size = error.ravel(), np.where(np.isfinite(magnitude), magnitude, 0.0).ravel()
    if flat.size == 0:
        return error
    window = min(_WINDOW, flat.size)

    def local(values: np.ndarray) -> np.ndarray:
        mean = uniform_filter1d(values * values, window, mode="nearest")
        return np.asarray(np.sqrt(np.maximum(mean, 0.0)))

    absolute = local(flat)
    relative = np.divide(flat, size, out=np.zeros_like(flat), where=size > 0)
    smoothed = np.where(size > 0, np.minimum(absolute, local(relative) * size), absolute)
    return np.asarray(np.maximum(smoothed, flat)).reshape(error.shape)


def _smooth_by_magnitude(error: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
    """The largest error among all elements of about the same magnitude: powers of two, and at least 1,000 elements.

    Where few elements are as small as one, the next larger ones are taken in until there are enough.
    """
    if error.size == 0:
        return error
    exponent = np.frexp(np.where(np.isfinite(magnitude), magnitude, 0.0))[1].ravel()
    step = np.clip(int(exponent.max()) - exponent, 0, _STEPS - 1).astype(np.uint8)  # zeros go with the smallest
    counts = np.bincount(step, minlength=_STEPS)
    order = np.argsort(step, kind="stable")  # a radix sort for bytes
    places = np.concatenate(([0], np.cumsum(counts)[:-1]))
    present = np.flatnonzero(counts)
    largest = np.zeros(_STEPS)
    largest[present] = np.maximum.reduceat(error.ravel()[order], places[present])
    enough = min(_ENOUGH, error.size)
    merged = np.zeros(_STEPS)
    for one in range(_STEPS):
        low = high = one
        while counts[low : high + 1].sum() < enough:  # larger magnitudes have lower steps
            low, high = (low - 1, high) if low > 0 else (low, high + 1)
        merged[one] = largest[max(low - 1, 0) : high + 2].max()
    return np.asarray(merged[step]).reshape(error.shape)


class Jittered(np.ndarray):
    """An array whose every computed result is off by half a unit, an ulp at most: Monte Carlo arithmetic.

    It stands for all the ways in which an honest library rounds, elementary functions included, that the reference does
    not happen to take on this machine. Source: Parker, "Monte Carlo Arithmetic", UCLA CSD-970002 (1997).
    """

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        plain = [_plain(value) for value in inputs]
        keywords = {key: _plain(value) for key, value in keywords.items()}
        result = np.asarray(getattr(ufunc, method)(*plain, **keywords))
        if np.issubdtype(result.dtype, np.floating) and ufunc not in _EXACT:
            result = result * (1 + _noise(result.shape) * np.finfo(result.dtype).eps).astype(result.dtype)
        if out is not None:
            np.asarray(out[0])[...] = result
            return out[0]
        return np.asarray(result).view(Jittered)


_EXACT = frozenset({np.maximum, np.minimum, np.fmax, np.fmin, np.negative, np.positive, np.absolute, np.fabs, np.sign})
_PERIOD = (1 << 20) - 3  # a prime, so that no row length repeats it


class _Places(threading.local):
    """Each thread reads the table at places of its own, so that a draw is the same whatever else runs."""

    random = random.Random(0)


_places = _Places()


@functools.cache
def _table() -> np.ndarray:
    return stream(0, "jitter").random(2 * _PERIOD, dtype=np.float32) - np.float32(0.5)


def _noise(shape: tuple[int, ...]) -> np.ndarray:
    """Uniform on [-1/2, 1/2), read from a table at a random place: fresh numbers would cost more than the task."""
    size, place = math.prod(shape), _places.random.randrange(_PERIOD)
    if size <= _PERIOD:
        return _table()[place : place + size].reshape(shape)
    return np.resize(_table()[place : place + _PERIOD], shape)


class TensorCore(np.ndarray):
    """An array whose matrix products are summed as matrix units do: some terms at a time, each partial sum cut off.

    NVIDIA's units truncate where IEEE arithmetic rounds, so that the errors of long sums all point towards zero instead
    of cancelling. Source: Fasi, Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor cores", PeerJ CS
    7:e330 (2021).
    """

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

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        plain = [_plain(value) for value in inputs]
        keywords = {key: _plain(value) for key, value in keywords.items()}
        if ufunc is np.add and method == "reduce" and np.ndim(plain[0]) and keywords.get("initial") is None:
            array = np.asarray(plain[0], dtype=keywords.get("dtype"))
            if keywords.get("where", True) is not True:
                array = np.where(keywords["where"], array, array.dtype.type(0))
            result = _add_sequentially(array, keywords.get("axis", 0), bool(keywords.get("keepdims", False)))
            if out is not None:
                np.asarray(out[0])[...] = result
                result = out[0]
        else:
            if out is not None:
                keywords["out"] = tuple(np.asarray(array) for array in out)
            result = getattr(ufunc, method)(*plain, **keywords)
        return _wrap(result, Sequential)


def _add_sequentially(array: np.ndarray, axis: Any, keepdims: bool) -> np.ndarray:
    axes = range(array.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for one in axes:
        if array.shape[one] == 0:
            return np.asarray(np.sum(array, axis=tuple(axes), keepdims=keepdims))
        array = np.take(np.add.accumulate(array, axis=one), [-1], axis=one)
    return array if keepdims else np.squeeze(array, axis=tuple(axes))


def _plain(value: Any) -> Any:
    """`value` without its subclass: NumPy would hand a call that still holds one straight back."""
    return np.asarray(value) if isinstance(value, Jittered | Sequential | TensorCore) else value


def _wrap(result: Any, kind: type[np.ndarray]) -> Any:
    if isinstance(result, tuple):
        return tuple(_wrap(one, kind) for one in result)
    return np.asarray(result).view(kind) if isinstance(result, np.ndarray | np.generic) else result
