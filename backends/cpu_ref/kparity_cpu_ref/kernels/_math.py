"""Elementary functions that LLVM can vectorise, and the reductions over a row that several kernels share.

A call into the C library costs some ten nanoseconds and stops the vectoriser; a polynomial without branches runs
sixteen elements at a time with AVX-512. Errors are relative and in units of float32's epsilon (1.2e-7).

`contract` lets multiply and add fuse, which only removes a rounding; `reassoc`, where a sum is split into lanes, is
the only other liberty taken: infinities and NaN keep their meaning everywhere.
"""

from __future__ import annotations

import numpy as np

from kparity_cpu_ref.kernels._floats import as_bits, as_float
from kparity_cpu_ref.kernels._numba import njit

f32 = np.float32


@njit(fastmath={"contract"})
def exp(x):
    """e^x for float32, to one epsilon, subnormal results included.

    x = n ln 2 + r with |r| <= ln 2 / 2, so e^x = 2^n e^r. Adding 1.5 * 2^23 rounds x / ln 2 to the integer n and
    leaves it in the low bits. 2^n is built from its bits in two factors, because n may lie beyond float32's
    exponents.
    """
    x = f32(-104.0) if x < f32(-104.0) else x
    x = f32(89.0) if x > f32(89.0) else x
    shifted = x * f32(1.44269504) + f32(12582912.0)
    n = shifted - f32(12582912.0)
    r = x - n * f32(0.693145752)
    r = r - n * f32(1.42860677e-6)
    p = f32(0.00138144672)
    p = p * r + f32(0.00836878056)
    p = p * r + f32(0.0416683942)
    p = p * r + f32(0.166665201)
    p = p * r + f32(0.499999934)
    p = p * r * r + r + f32(1.0)
    exponent = as_bits(shifted) - np.int32(0x4B400000)
    half = exponent >> np.int32(1)
    first = as_float((half + np.int32(127)) << np.int32(23))
    second = as_float((exponent - half + np.int32(127)) << np.int32(23))
    return p * first * second


@njit(fastmath={"contract"})
def normal_cdf(x):
    """Phi(x), the normal distribution function, relatively accurate in both tails.

    Phi(-z) = exp(-z^2 / 2) erfcx(z / sqrt 2) / 2 for z >= 0. erfcx, the scaled complementary error function, falls
    smoothly from 1 to 0.06 where exp(-z^2 / 2) ends in float32; a polynomial of degree 9 in (w - 3) / (w + 3) gives
    it to 3 epsilon (fitted by reweighted least squares).
    """
    w = abs(x) * f32(0.707106781)
    w = f32(11.0) if w > f32(11.0) else w
    u = (w - f32(3.0)) / (w + f32(3.0))
    p = f32(-6.55535294e-05)
    p = p * u + f32(-0.000582954459)
    p = p * u + f32(0.000791438504)
    p = p * u + f32(0.00427725758)
    p = p * u + f32(-0.0244161066)
    p = p * u + f32(0.0716634769)
    p = p * u + f32(-0.150113251)
    p = p * u + f32(0.245603916)
    p = p * u + f32(-0.326233646)
    p = p * u + f32(0.179001151)
    tail = f32(0.5) * exp(f32(-0.5) * x * x) * p
    return f32(1.0) - tail if x > f32(0.0) else tail


@njit()
def row_max(row):
    """Largest element; NaN where the row holds a (positive) NaN, -inf for an empty row.

    Compared as integers, since a float maximum must not be reordered: flipping the lower bits of negative numbers
    makes the integer order of the bits the order of the numbers.
    """
    top = np.int32(-0x7F800001)
    for i in range(row.size):
        bits = as_bits(row[i])
        top = max(top, bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))
    return as_float(top ^ ((top >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@njit(fastmath={"reassoc", "contract"})
def row_exp_sum(row, top):
    """Sum of exp(row - top)."""
    total = f32(0.0)
    for i in range(row.size):
        total += exp(row[i] - top)
    return total
