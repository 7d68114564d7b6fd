"""Data types by name: NumPy's own and the machine-learning formats of `ml_dtypes`."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from kparity.errors import UnknownNameError

DType = np.dtype[Any]

_ML_DTYPES = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
_NUMPY = (
    *("float64", "float32", "float16"),
    *("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"),
)

_EXPONENT = np.uint64(0x7FF0_0000_0000_0000)

NAMES: tuple[str, ...] = (*_NUMPY, *_ML_DTYPES)
"""Every dtype name that a spec or a backend may use."""


def dtype(name: str) -> DType:
    """Return the NumPy dtype called `name`.

    Raises:
        UnknownNameError: `name` is not one of `NAMES`.
    """
    if name in _ML_DTYPES:
        extended: DType = np.dtype(getattr(ml_dtypes, name))
        return extended
    if name in _NUMPY:
        return np.dtype(name)
    raise UnknownNameError("dtype", name, NAMES)


def is_float(name: str) -> bool:
    """True for binary floating-point formats, the machine-learning ones included."""
    return name.startswith(("float", "bfloat"))


def finfo(name: str) -> ml_dtypes.finfo:
    """Machine limits of a floating-point format (`eps`, `max`, `smallest_normal`, ...)."""
    return ml_dtypes.finfo(dtype(name))  # type: ignore[no-untyped-call]


def spacing(values: np.ndarray, name: str) -> np.ndarray:
    """Distance between neighbouring numbers of format `name` at |values|: one ulp, in float64.

    Source: for a normal number in [2^e, 2^(e+1)) the ulp is 2^e * eps; below the smallest normal it is constant.
    Non-finite values give NaN.

    Args:
        values: float64 array of any shape.
        name: a floating-point dtype name.
    """
    info = finfo(name)
    magnitude = np.maximum(np.abs(np.asarray(values, dtype=np.float64)), float(info.smallest_normal))
    bits = magnitude.view(np.uint64)
    ulp = np.asarray((bits & _EXPONENT).view(np.float64))  # the power of two below; infinite for NaN, too
    ulp *= float(info.eps)
    np.copyto(ulp, np.nan, where=np.isinf(ulp))
    return ulp
