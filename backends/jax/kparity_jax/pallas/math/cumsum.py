"""Cumulative sum along the last axis in one pass.

Bytes: x once in, y once out. Operations: log2 of the tile's width for each element, in registers and warp shuffles.

A program owns whole rows and walks along them tile by tile, carrying each row's sum so far; a tile is at most 4096
columns wide, and rows narrower than that share a program. XLA's own rewriting of a cumulative sum is several
passes over memory, this is the one that the roofline counts.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu

from kparity_jax.pallas._launch import launch

TILE = 4096


def cumsum(x: jax.Array) -> jax.Array:
    """y[r, c] = sum of x[r, :c + 1], carried in float32."""
    rows, cols = x.shape
    width = min(TILE, pl.next_power_of_2(cols))
    height = min(TILE // width, pl.next_power_of_2(rows))
    strip = pl.BlockSpec((height, pl.cdiv(cols, width) * width), lambda i: (i, 0))
    return launch(
        functools.partial(_kernel, rows=rows, cols=cols, width=width),
        (x,),
        shape=x.shape,
        warps=8,
        stages=2,
        grid=(pl.cdiv(rows, height),),
        in_specs=[strip],
        out_specs=strip,
    )


def _kernel(x_ref: Any, y_ref: Any, *, rows: int, cols: int, width: int, on_gpu: bool) -> None:
    del on_gpu
    height = x_ref.shape[0]
    row = pl.program_id(0) * height + jnp.arange(height)

    def step(tile: jax.Array, carried: jax.Array) -> jax.Array:
        place = pl.ds(tile * width, width)
        inside = (row < rows)[:, None] & (tile * width + jnp.arange(width) < cols)
        x = plgpu.load(x_ref.at[:, place], mask=inside, other=0).astype(jnp.float32)
        y = carried[:, None] + jnp.cumsum(x, axis=1)
        plgpu.store(y_ref.at[:, place], y.astype(y_ref.dtype), mask=inside)
        last = jnp.arange(width) == width - 1  # not `carried + sum(x)`: Triton 3.6 crashes on that reduction in a loop
        return jnp.sum(jnp.where(last, y, 0), axis=1)

    lax.fori_loop(0, pl.cdiv(cols, width), step, jnp.zeros(height, jnp.float32))
