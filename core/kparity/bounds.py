"""How far an output may lie from the oracle: the bound per element that follows from the numerics contract.

    |y - y*|  <=  0.51 ulp(y*)  +  C * s

`s` is the error that honest evaluations of this very task make on these very inputs: the reference and its honest
variants run in float32, once with NumPy's pairwise sums, once with every sum done sequentially, and again in Monte
Carlo arithmetic on inputs perturbed by half a unit of the compute precision (and of whatever else the contract lets one
round to), which shows how a rounding is amplified and what other luck it could have had. The largest of them counts,
smoothed over neighbours, so that an element that came out exact by luck does not get a bound of zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from kparity import dtypes
from kparity.case import Case
from kparity.ensemble import Backwards, Flushed, Jittered, Sequential, TensorCore, Wandering, flush, moved, set_jitter
from kparity.inputs import Arrays, stream
from kparity.oracle import evaluate_reference
from kparity.spec import KernelSpec

MARGIN = 8.0
"""C: how many times the honest error is allowed."""

COARSE_MARGIN = 2.0
"""The same for roundings to a format that the contract names, the size of which is known: not the order of a sum."""

ROUNDING = 0.51
"""Ulps of the output dtype allowed for the final rounding."""

_SMALLEST = float(np.finfo(np.float32).smallest_normal)
_TF32_EPS = 2.0**-10
_WINDOW = 129
_STEPS = 64
_ENOUGH = 1000
_CHUNK = 1 << 15


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
            fine = start._with(_unperturbed(spec, case, inputs), oracle)
            return fine._with(_coarse(spec, case, inputs, range(1)), oracle, COARSE_MARGIN / MARGIN)
        draws = 16 if case.elements < 1 << 14 else 4
        return start._with(_unperturbed(spec, case, inputs), oracle).more(spec, case, inputs, oracle, draws)

    def more(self, spec: KernelSpec, case: Case, inputs: Arrays, oracle: Arrays, draws: int) -> HonestError:
        """The same after further perturbed evaluations. It never shrinks: a larger ensemble knows the error better."""
        places = range(self.draws, self.draws + draws)
        fine = self._with(_perturbed(spec, case, inputs, places), oracle)
        both = fine._with(_coarse(spec, case, inputs, places), oracle, COARSE_MARGIN / MARGIN)
        return replace(both, draws=self.draws + draws)

    def bounds(self, spec: KernelSpec, case: Case, oracle: Arrays) -> Arrays:
        """How far each element may lie from the oracle; zero, hence exact, for integer outputs.

        What is subnormal in float32 may be flushed to zero, as many devices and compilers do, unless the contract
        demands to keep it.
        """
        flushed = 0.0 if spec.numerics.subnormals == "keep" else _SMALLEST
        bounds = []
        for error, truth, info in zip(self.errors, oracle, case.outputs, strict=True):
            if dtypes.is_float(info.dtype):
                bound = (_smooth_by_magnitude if is_large(case) else _smooth)(error, truth)
                for part, wanted in _chunks(bound, truth):
                    size = np.abs(wanted)
                    part *= MARGIN
                    part += ROUNDING * dtypes.spacing(size, info.dtype)
                    np.maximum(part, size, out=part, where=size < flushed)
                bounds.append(bound)
            else:
                bounds.append(np.zeros(info.shape))
        return tuple(bounds)

    def _with(self, members: Iterable[Arrays], oracle: Arrays, weight: float = 1.0) -> HonestError:
        errors = [error.copy() for error in self.errors]
        for member in members:
            for error, value, truth in zip(errors, member, oracle, strict=True):
                for part, got, wanted in _chunks(error, value, truth):
                    with np.errstate(invalid="ignore"):
                        difference = np.abs(np.subtract(got, wanted, dtype=np.float64))
                    if weight != 1:
                        difference *= weight
                    if not np.isfinite(np.max(difference)):
                        difference[~np.isfinite(difference)] = 0
                    np.maximum(part, difference, out=part)
        return replace(self, errors=tuple(errors))


def _unperturbed(spec: KernelSpec, case: Case, inputs: Arrays) -> Iterator[Arrays]:
    """Every formulation in the compute precision, and the reference with sequential sums where that is affordable."""
    precision = spec.numerics.accumulate
    for formulation in (spec.reference, *spec.variants):
        yield evaluate_reference(spec, case, inputs, precision, formulation)
    if not is_large(case):
        yield evaluate_reference(spec, case, _as(Sequential, case, inputs, precision), precision)
        yield evaluate_reference(spec, case, _as(Backwards, case, inputs, precision), precision)
    if _multiplies_narrow_operands(spec, case):
        yield evaluate_reference(spec, case, _as(TensorCore, case, inputs, precision), precision)


def _as(kind: type[np.ndarray], case: Case, inputs: Arrays, precision: str) -> Arrays:
    """The inputs in the compute precision, the floating-point ones as views of that class."""
    return tuple(
        array.astype(precision).view(kind) if dtypes.is_float(info.dtype) else array
        for array, info in zip(inputs, case.inputs, strict=True)
    )


def _multiplies_narrow_operands(spec: KernelSpec, case: Case) -> bool:
    """Whether matrix units are the honest way to multiply: 16-bit or 8-bit operands, or TF32."""
    narrow = any(dtypes.is_float(info.dtype) and dtypes.dtype(info.dtype).itemsize < 4 for info in case.inputs)
    return narrow or spec.numerics.tf32


def _perturbed(spec: KernelSpec, case: Case, inputs: Arrays, draws: Iterable[int]) -> Iterator[Arrays]:
    """Every formulation on perturbed inputs, once for each draw, and the reference with wandering sums."""
    precision = spec.numerics.accumulate
    unit = float(np.finfo(precision).eps)
    for draw in draws:
        near = _perturb(case, inputs, unit, draw, precision)
        for formulation in (spec.reference, *spec.variants):
            yield evaluate_reference(spec, case, near, precision, formulation)
        still = tuple(np.asarray(array) for array in near)
        yield evaluate_reference(spec, case, _as(Wandering, case, still, precision), precision)


def _coarse(spec: KernelSpec, case: Case, inputs: Arrays, draws: Iterable[int]) -> Iterator[Arrays]:
    """What the contract allows besides: no subnormal numbers, intermediates in the storage dtype, operands in TF32."""
    contract, precision = spec.numerics, spec.numerics.accumulate
    for draw in draws:
        if contract.subnormals != "keep" and draw == 0 and not is_large(case):
            still = tuple(
                flush(array.astype(precision)) if dtypes.is_float(info.dtype) else array
                for array, info in zip(inputs, case.inputs, strict=True)
            )
            yield evaluate_reference(spec, case, _as(Flushed, case, still, precision), precision)
        if contract.storage_intermediates:
            storage = [info.dtype for info in case.inputs if dtypes.is_float(info.dtype)]
            coarsest = max(storage, key=lambda name: float(dtypes.finfo(name).eps))
            near = _perturb(case, inputs, 0.0, draw, precision, results=coarsest)
            for formulation in (spec.reference, *spec.variants):
                yield evaluate_reference(spec, case, near, precision, formulation)
        if contract.tf32 and any(info.dtype == "float32" for info in case.inputs):
            if draw == 0:
                cut = tuple(_cut_to_tf32(array) if array.dtype == np.float32 else array for array in inputs)
                yield evaluate_reference(spec, case, cut, precision)
            yield evaluate_reference(spec, case, _perturb(case, inputs, _TF32_EPS, draw, precision), precision)


def _cut_to_tf32(array: np.ndarray) -> np.ndarray:
    """Towards zero, as matrix units do with the bits that they have no room for."""
    return np.asarray((np.ascontiguousarray(array).view(np.uint32) & np.uint32(0xFFFF_E000)).view(np.float32))


def is_large(case: Case) -> bool:
    """Whether only the cheapest members of the ensemble are affordable: over 4 million elements or 4 GFLOP.

    So many elements make up for it: the error at one magnitude is the largest one seen at that magnitude anywhere.
    """
    return case.elements >= 1 << 22 or (case.flops or 0) >= 1 << 32


def _perturb(case: Case, inputs: Arrays, unit: float, draw: int, precision: str, results: str | None = None) -> Arrays:
    """Move every floating-point input by up to half a `unit` of its magnitude either way, as rounding it would.

    The arrays go on moving every result that is computed from them, by up to half an ulp of the format `results`, by
    default of `precision`; see `Jittered`.
    """
    set_jitter(results, f"{case.task} {case.key} {unit} {draw}")
    changed = []
    for array, info in zip(inputs, case.inputs, strict=True):
        if not dtypes.is_float(info.dtype):
            changed.append(array)
            continue
        place = int(stream(draw, "perturb", case.task, info.name).integers(1 << 32))
        changed.append(moved(array, unit, precision, place).view(Jittered))
    return tuple(changed)


def _smooth(error: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The smaller of two local means over neighbours in memory order: of the error, and of the relative error.

    Root mean squares over a window along the last axes; the window reaches over rows where rows are short.
    """
    from scipy.ndimage import uniform_filter1d

    flat, size = error.ravel(), np.abs(truth).ravel()
    size[~np.isfinite(size)] = 0
    if flat.size == 0:
        return error.copy()
    window = min(_WINDOW, flat.size)

    def local(values: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):  # beyond 1e154 the other local mean decides
            mean = np.asarray(uniform_filter1d(values * values, window, mode="nearest"))
        np.maximum(mean, 0.0, out=mean)
        np.sqrt(mean, out=mean)
        return mean

    absolute = local(flat)
    zero = size == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = flat / size
    relative[zero] = 0
    smoothed = local(relative)
    with np.errstate(invalid="ignore"):
        smoothed *= size
    np.fmin(absolute, smoothed, out=smoothed)  # NaN where a mean overflowed
    np.copyto(smoothed, absolute, where=zero)
    return np.asarray(np.fmax(smoothed, flat, out=smoothed)).reshape(error.shape)


def _smooth_by_magnitude(error: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The largest error among all elements of about the same magnitude: powers of two, and at least 1,000 elements.

    Where few elements are as small as one, the next larger ones are taken in until there are enough.
    """
    if error.size == 0:
        return error.copy()
    exponent = np.empty(error.size, np.int16)
    for part, wanted in _chunks(exponent, truth):
        part[:] = np.frexp(np.where(np.isfinite(wanted), wanted, 0.0))[1]
    top = int(exponent.max())
    counts, largest, step = np.zeros(_STEPS, np.int64), np.zeros(_STEPS), np.empty(error.shape, np.uint8)
    for place, power, part in _chunks(step, exponent, error):
        places = np.clip(top - power.astype(np.intp), 0, _STEPS - 1)
        place[:] = places
        counts += np.bincount(places, minlength=_STEPS)
        np.maximum.at(largest, places, part)
    enough = min(_ENOUGH, error.size)
    merged = np.zeros(_STEPS)
    for one in range(_STEPS):
        low = high = one
        while counts[low : high + 1].sum() < enough:  # larger magnitudes have lower steps
            low, high = (low - 1, high) if low > 0 else (low, high + 1)
        merged[one] = largest[max(low - 1, 0) : high + 2].max()
    return np.asarray(merged[step])


def _chunks(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Flat pieces of equally many elements that fit into a processor's cache; views where an array is contiguous."""
    flat = [np.asarray(array).reshape(-1) for array in arrays]
    for start in range(0, flat[0].size, _CHUNK):
        yield tuple(array[start : start + _CHUNK] for array in flat)
