"""Whether a reference is accurate enough to be an oracle: two orders of summation in float64 must agree."""

from __future__ import annotations

import numpy as np

from kparity import dtypes
from kparity.bounds import ROUNDING, is_large
from kparity.case import Case
from kparity.ensemble import Sequential
from kparity.inputs import Arrays
from kparity.oracle import evaluate_reference
from kparity.spec import KernelSpec

_SHARE = 1e-3


def instability(spec: KernelSpec, case: Case, inputs: Arrays, oracle: Arrays, bounds: Arrays) -> str:
    """Where the oracle and the same reference with sequential sums disagree in float64; empty where they agree.

    They disagree where they differ by more than the rounding of the output dtype and by more than a thousandth of the
    bound: float64 ought to be half a billion times as accurate as the float32 evaluations that the bound comes from.
    Large cases and contracts that sum in float64 are not examined.
    """
    if is_large(case) or np.finfo(spec.numerics.accumulate).eps < np.finfo(np.float32).eps:
        return ""
    sequential = tuple(
        array.astype(np.float64).view(Sequential) if dtypes.is_float(info.dtype) else array
        for array, info in zip(inputs, case.inputs, strict=True)
    )
    others = evaluate_reference(spec, case, sequential)
    for truth, other, bound, info in zip(oracle, others, bounds, case.outputs, strict=True):
        if not dtypes.is_float(info.dtype) or not truth.size:
            continue
        with np.errstate(invalid="ignore"):
            difference = np.abs(truth - np.asarray(other))
            allowed = np.maximum(ROUNDING * dtypes.spacing(truth, info.dtype), _SHARE * bound)
            far = np.isfinite(difference) & (difference > allowed)
        if far.any():
            where = tuple(int(i) for i in np.unravel_index(int(np.argmax(far)), far.shape))
            return (
                f"the reference is no oracle here: {int(far.sum()):,} of {far.size:,} elements of {info.name!r} depend "
                "on the order of summation even in float64, "
                f"at {list(where)} {truth[where]:.9g} or {other[where]:.9g}; "
                "write the reference so that it is stable, or draw inputs for which it is"
            )
    return ""
