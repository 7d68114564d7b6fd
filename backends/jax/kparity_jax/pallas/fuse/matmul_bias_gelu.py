"""Matrix product, bias and exact GELU in one kernel: c = z * Phi(z), z = a b + bias.

Bytes: a, b, bias in, c out, and nothing between: the GELU is applied to the accumulator. Operations: 2 m n k on the
tensor cores and some thirty vector operations for each of m n outputs.

A program owns a 256 x 128 tile of c (64 x 128 in float32) and walks along k, 64 (32) columns of a and rows of b at a
time, three stages in flight. The tall tile is as large as registers allow: its accumulator takes half of them, and a
wide one of the same size spills in the GELU. Tiles are numbered so that eight rows of tiles advance together: the
programs that run at the same time then share a few strips of a and b, which stay in L2.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu

from kparity_jax.pallas._launch import dot, launch

GROUP = 8
ERFC = (
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
    0.17087277,
)  # fmt: skip
"""Coefficients of log(erfc(t) / u) + t^2 in powers of u = 2 / (2 + t), t >= 0. Source: Press et al., Numerical Recipes,
section 6.2 (a Chebyshev fit, relative error below 1.2e-7)."""


def matmul_bias_gelu(a: jax.Array, b: jax.Array, bias: jax.Array) -> jax.Array:
    """z * Phi(z) with z = a b + bias, in float32 up to one rounding at the end."""
    (m, k), n = a.shape, b.shape[1]
    wide = a.dtype.itemsize > 2
    block_m, block_n, block_k = (64, 128, 32) if wide else (256, 128, 64)
    tiles_m, tiles_n, steps = pl.cdiv(m, block_m), pl.cdiv(n, block_n), pl.cdiv(k, block_k)

    def place(i: jax.Array) -> tuple[jax.Array, jax.Array]:
        group, rest = lax.div(i, GROUP * tiles_n), lax.rem(i, GROUP * tiles_n)
        height = jnp.minimum(GROUP, tiles_m - group * GROUP)
        return group * GROUP + lax.rem(rest, height), lax.div(rest, height)

    kernel = functools.partial(_kernel, shape=(m, n, k), block_k=block_k, place=place)
    return launch(
        kernel,
        (a, b, bias),
        shape=(m, n),
        warps=4 if wide else 8,
        stages=3,
        grid=(tiles_m * tiles_n,),
        in_specs=[
            pl.BlockSpec((block_m, steps * block_k), lambda i: (place(i)[0], 0)),
            pl.BlockSpec((steps * block_k, block_n), lambda i: (0, place(i)[1])),
            pl.BlockSpec((block_n,), lambda i: (place(i)[1],)),
        ],
        out_specs=pl.BlockSpec((block_m, block_n), place),
    )


def _kernel(
    a_ref: Any,
    b_ref: Any,
    bias_ref: Any,
    c_ref: Any,
    *,
    shape: tuple[int, int, int],
    block_k: int,
    place: Callable[[jax.Array], tuple[jax.Array, jax.Array]],
    on_gpu: bool,
) -> None:
    m, n, k = shape
    block_m, block_n = c_ref.shape
    i, j = place(pl.program_id(0))
    rows = i * block_m + jnp.arange(block_m) < m
    columns = j * block_n + jnp.arange(block_n) < n

    def step(tile: jax.Array, z: jax.Array) -> jax.Array:
        strip = pl.ds(tile * block_k, block_k)
        depth = tile * block_k + jnp.arange(block_k) < k
        a = _load(a_ref.at[:, strip], (rows, m % block_m), (depth, k % block_k))
        b = _load(b_ref.at[strip, :], (depth, k % block_k), (columns, n % block_n))
        return z + dot(a, b, (1, 0), on_gpu)

    z = lax.fori_loop(0, pl.cdiv(k, block_k), step, jnp.zeros((block_m, block_n), jnp.float32))
    z = z + plgpu.load(bias_ref, mask=columns, other=0).astype(jnp.float32)
    plgpu.store(c_ref, _gelu(z).astype(c_ref.dtype), mask=rows[:, None] & columns)


def _load(ref: Any, *axes: tuple[jax.Array, int]) -> jax.Array:
    """Load a matrix tile, masked only along the axes that its tiling does not divide: masks cost registers."""
    masks = [jnp.expand_dims(inside, 1 - axis) for axis, (inside, rest) in enumerate(axes) if rest]
    if not masks:
        return plgpu.load(ref)
    mask = functools.reduce(jnp.logical_and, masks)
    return plgpu.load(ref, mask=jnp.broadcast_to(mask, ref.shape), other=0)


def _gelu(z: jax.Array) -> jax.Array:
    """z * Phi(z); the tail erfc(|z| / sqrt 2) is computed as such, so that nothing cancels for negative z."""
    t = jnp.abs(z) * math.sqrt(0.5)
    u = 2 / (2 + t)
    exponent = functools.reduce(lambda value, coefficient: value * u + coefficient, reversed(ERFC), jnp.zeros_like(z))
    tail = 0.5 * u * jnp.exp(exponent - t * t)
    return z * jnp.where(z < 0, tail, 1 - tail)
