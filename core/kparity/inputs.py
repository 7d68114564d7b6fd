"""The inputs of a case: what the spec declares, or what its hunting pattern makes of that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kparity import dtypes, patterns
from kparity.distributions import integers, resolve
from kparity.draws import Arrays, digest, draw_declared, finish, stream
from kparity.errors import SpecError

if TYPE_CHECKING:
    from kparity.case import Case
    from kparity.spec import KernelSpec

__all__ = ["Arrays", "digest", "generate", "stream"]


def generate(spec: KernelSpec, case: Case, seed: int) -> Arrays:
    """Draw every input of `case`, C-contiguous and read-only, in the order of the signature.

    Raises:
        SpecError: a distribution raised, or gave another shape than the case declares.
    """
    drawn = draw_declared(spec, case, seed, spec.hunting.own.get(case.pattern, {}))
    if case.pattern in patterns.FLOATS:
        drawn = _shape_floats(spec, case, seed, drawn)
    elif case.pattern in patterns.INDICES:
        for name, base in drawn.items():
            distribution = spec.inputs[name].distribution
            if isinstance(distribution, integers) and name not in spec.hunting.fixed and base.size:
                low, high = distribution.limits({**case.axes, **case.attributes})
                drawn[name] = patterns.shape_indices(case.pattern, base, low, high, stream(seed, case.key, name, "at"))
    return finish(spec, case, drawn)


def _shape_floats(spec: KernelSpec, case: Case, seed: int, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    values = {**case.axes, **case.attributes}
    supports: dict[str, tuple[float, float]] = {}
    for info in case.inputs:
        distribution = spec.inputs[info.name].distribution
        support = distribution.support() if distribution is not None else None
        if dtypes.is_float(info.dtype) and support is not None and info.name not in spec.hunting.fixed and info.size:
            low, high = (float(resolve(bound, values)) for bound in support)
            supports[info.name] = (low, high)
    if not supports:
        return drawn
    rng = stream(seed, case.task, case.key, "targets")
    unbounded = {info.name: info.size for info in case.inputs if math.isinf(supports.get(info.name, (0.0, 0.0))[1])}
    targets = patterns.choose_targets(case.pattern, unbounded, rng) if unbounded else set()
    targets |= {name for name in supports if name not in unbounded and case.pattern not in ("offset", "large")}
    epsilons = [float(value) for name, value in case.attributes.items() if "eps" in name]
    kinds = {info.name: info.dtype for info in case.inputs}
    for name in sorted(targets):
        inner = stream(seed, case.task, case.key, name, "pattern")
        low, high = supports[name]
        largest = spec.hunting.largest.get(name, math.inf)
        if name in unbounded:
            drawn[name] = patterns.shape_floats(
                case.pattern, drawn[name], kinds[name], inner, epsilons=epsilons, largest=largest
            )
        else:
            drawn[name] = patterns.shape_bounded(case.pattern, drawn[name], low, high, inner)
    if case.pattern == "large":
        (name,) = targets or {""}
        if name:
            drawn[name] = _largest_meaningful(spec, case, drawn, name)
    return drawn


def _largest_meaningful(spec: KernelSpec, case: Case, drawn: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """`drawn[name]` scaled down by a power of two until all that the reference computes keeps clear of overflow."""
    contract = spec.numerics
    limit = float(dtypes.finfo(contract.accumulate).max) / 2**8
    if contract.storage_intermediates:
        storage = [info.dtype for info in case.inputs if dtypes.is_float(info.dtype)]
        limit = min(limit, *(float(dtypes.finfo(one).max) / 2**4 for one in storage))

    def meaningful(power: int) -> bool:
        watch = _Watch()
        scaled = finish(spec, case, {**drawn, name: np.ldexp(drawn[name], -power)})
        arguments = [
            array.astype(np.float64).view(Watched) if dtypes.is_float(info.dtype) else array.astype(np.int64)
            for array, info in zip(scaled, case.inputs, strict=True)
        ]
        for argument in arguments:
            if isinstance(argument, Watched):
                argument.watch = watch
        try:
            with np.errstate(all="ignore"):
                result = spec.reference(*arguments, **case.attributes)
        except Exception as error:
            raise SpecError(f"spec {spec.name!r}, case {case.key}: the reference raised {error}") from error
        outputs = [np.asarray(one) for one in (result if isinstance(result, tuple) else (result,))]
        fits = all(
            not dtypes.is_float(info.dtype) or _top(value) <= float(dtypes.finfo(info.dtype).max) / 4
            for value, info in zip(outputs, case.outputs, strict=True)
        )
        return fits and watch.top <= limit

    low, high = 0, 256  # powers; at `high` the values are tiny
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if meaningful(middle) else (middle + 1, high)
    return np.asarray(np.ldexp(drawn[name], -low))


@dataclass
class _Watch:
    """The largest magnitude seen; infinite where an operation on finite numbers overflowed."""

    top: float = 0.0


class Watched(np.ndarray):
    """An array that notes the largest magnitude among everything that is computed from it."""

    watch: _Watch | None = None

    def __array_finalize__(self, parent: Any) -> None:
        """Hand the watch on to views and copies."""
        self.watch = getattr(parent, "watch", None)

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        """What NumPy's other functions return is watched too."""
        result = super().__array_function__(function, types, arguments, keywords)
        if isinstance(result, np.ndarray) and not isinstance(result, Watched):
            watched = result.view(Watched)
            watched.watch = self.watch
            return watched
        return result

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        """Compute with plain arrays and note the result's magnitude."""
        watch = next((one.watch for one in inputs if isinstance(one, Watched) and one.watch is not None), None)
        plain = [np.asarray(one) if isinstance(one, Watched) else one for one in inputs]
        if out is not None:
            keywords["out"] = tuple(np.asarray(one) for one in out)
        keywords = {key: np.asarray(one) if isinstance(one, Watched) else one for key, one in keywords.items()}
        result = getattr(ufunc, method)(*plain, **keywords)
        if watch is not None and isinstance(result, np.ndarray | np.generic) and result.dtype.kind == "f":
            masked = any(np.isinf(one).any() for one in plain if np.asarray(one).dtype.kind == "f")
            watch.top = max(watch.top, _top(np.asarray(result), ignore_infinite=masked))
        if out is not None:
            return out[0]
        if not isinstance(result, np.ndarray | np.generic):
            return result
        wrapped = np.asarray(result).view(Watched)
        wrapped.watch = watch
        return wrapped


def _top(array: np.ndarray, *, ignore_infinite: bool = False) -> float:
    if array.size == 0:
        return 0.0
    magnitude = np.abs(np.asarray(array, dtype=np.float64))
    if ignore_infinite:
        magnitude = magnitude[np.isfinite(magnitude)]
    return float(np.max(np.where(np.isnan(magnitude), np.inf, magnitude), initial=0.0))
