"""The oracle: the reference evaluated in float64 on the exact input bytes that the implementation receives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kparity import dtypes
from kparity.errors import SpecError
from kparity.inputs import Arrays, generate
from kparity.threads import quiet

if TYPE_CHECKING:
    from kparity.case import Case
    from kparity.spec import KernelSpec, Reference


LARGEST_PROBE = 1 << 20
"""Most elements of a case on which a reference is tried at registration."""


def widen(array: np.ndarray, dtype: str, precision: str) -> np.ndarray:
    """Convert floating-point arrays to `precision` and integers to int64, exactly where `precision` is wide enough."""
    return np.asanyarray(array, dtype=precision if dtypes.is_float(dtype) else np.int64)


def evaluate_reference(
    spec: KernelSpec,
    case: Case,
    inputs: Arrays,
    precision: str = "float64",
    formulation: Reference | None = None,
) -> Arrays:
    """Run the spec's reference, or another formulation of it, with every floating-point input widened to `precision`.

    Returns:
        One array for each output, in the reference's own precision: not yet rounded to the output dtype.

    Raises:
        SpecError: the reference raised, or what it returned contradicts the declared outputs.
    """
    where = f"spec {spec.name!r}, case {case.key}"
    widened = [widen(array, info.dtype, precision) for array, info in zip(inputs, case.inputs, strict=True)]
    try:
        with np.errstate(all="ignore"), quiet(case):
            result = (formulation or spec.reference)(*widened, **case.attributes)
    except Exception as error:
        raise SpecError(f"{where}: the reference raised {type(error).__name__}: {error}") from error
    returned = result if isinstance(result, tuple) else (result,)
    if len(returned) != len(case.outputs):
        raise SpecError(f"{where}: the reference returned {len(returned)} arrays, {len(case.outputs)} are declared")
    outputs = []
    for value, info in zip(returned, case.outputs, strict=True):
        array = np.asarray(value)
        if array.shape != info.shape:
            raise SpecError(f"{where}: output {info.name!r} has shape {array.shape}, declared is {info.shape}")
        if dtypes.is_float(info.dtype) != np.issubdtype(array.dtype, np.floating):
            raise SpecError(f"{where}: output {info.name!r} is {array.dtype}, declared is {info.dtype}")
        outputs.append(array)
    return tuple(outputs)


def check_reference(spec: KernelSpec) -> None:
    """Run the reference on the spec's smallest case and hold what it returns against the declaration.

    Raises:
        SpecError: as `evaluate_reference`, or every case is too large to be tried at registration.
    """
    smallest = min(spec.cases(), key=lambda case: case.elements)
    if smallest.elements > LARGEST_PROBE:
        raise SpecError(
            f"spec {spec.name!r}: the smallest case has {smallest.elements:,} elements; "
            f"declare one with fewer than {LARGEST_PROBE:,}, so that the reference can be checked at registration"
        )
    evaluate_reference(spec, smallest, generate(spec, smallest, seed=0))


def round_to(arrays: Arrays, case: Case) -> Arrays:
    """Round each array to the dtype that the case declares for that output, to nearest even."""
    with np.errstate(over="ignore"):
        return tuple(
            array.astype(dtypes.dtype(info.dtype), copy=False) for array, info in zip(arrays, case.outputs, strict=True)
        )
