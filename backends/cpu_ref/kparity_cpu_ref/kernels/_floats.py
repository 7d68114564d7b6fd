"""Float16 and bfloat16 at the door: kernels see float32 arrays only, so each is compiled once instead of three times.

Widening is exact; narrowing rounds to nearest even, once. Both are one parallel, vectorised pass: the processor
converts float16 in hardware, and bfloat16 is the upper half of a float32, so that integers do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kparity_cpu_ref.kernels._numba import intrinsic, ir, njit, prange, types


@intrinsic
def as_float(typing_context: Any, bits: Any) -> Any:
    """The float32 with these bits: the lower 32 of an integer, since Numba widens integer arithmetic to 64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lower = builder.trunc(arguments[0], ir.IntType(32)) if bits.bitwidth > 32 else arguments[0]
        return builder.bitcast(lower, ir.FloatType())

    return types.float32(bits), generate


@intrinsic
def as_bits(typing_context: Any, value: Any) -> Any:
    """The 32 bits of a float32, as int32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(value), generate


@intrinsic
def half_to_float(typing_context: Any, bits: Any) -> Any:
    """The float32 equal to the float16 with these 16 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(bits), generate


@intrinsic
def float_to_half(typing_context: Any, value: Any) -> Any:
    """The 16 bits of the float16 nearest to a float32, ties to even."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(builder.fptrunc(arguments[0], ir.HalfType()), ir.IntType(16))

    return types.uint16(value), generate


@njit(parallel=True)
def _widen(source, target, is_half):
    if is_half:
        for i in prange(source.size):
            target[i] = half_to_float(source[i])
    else:
        for i in prange(source.size):
            target[i] = as_float(np.uint32(source[i]) << np.uint32(16))


@njit(parallel=True)
def _narrow(source, target, is_half):
    if is_half:
        for i in prange(source.size):
            target[i] = float_to_half(source[i])
    else:
        for i in prange(source.size):
            bits = np.uint32(as_bits(source[i]))
            upper = bits >> np.uint32(16)
            rounded = (bits + np.uint32(0x7FFF) + (upper & np.uint32(1))) >> np.uint32(16)
            is_nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
            target[i] = np.uint16(upper | np.uint32(0x40)) if is_nan else np.uint16(rounded)


def widen(array: np.ndarray) -> np.ndarray:
    """The array in float32 and contiguous: itself where it is so already, else a copy.

    Numba compiles a kernel once for each layout; a copy of the odd strided input takes less time than that.
    """
    if array.dtype == np.float32:
        return array if array.flags.c_contiguous else np.ascontiguousarray(array)
    wide = np.empty(array.shape, np.float32)
    _widen(array.view(np.uint16).reshape(-1), wide.reshape(-1), array.dtype == np.float16)
    return wide


def narrow(array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """The float32 array in `dtype`, rounded to nearest even: itself where `dtype` is float32."""
    if dtype == np.float32:
        return array
    rounded = np.empty(array.shape, np.uint16)
    _narrow(array.reshape(-1), rounded.reshape(-1), dtype == np.float16)
    return rounded.view(dtype)
