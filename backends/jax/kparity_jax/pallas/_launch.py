"""What every Pallas kernel here needs: a launch that also works without a GPU, and an exact-enough float32 product."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu


def launch(
    kernel: Callable[..., None],
    arguments: tuple[jax.Array, ...],
    *,
    shape: tuple[int, ...],
    warps: int,
    stages: int,
    **layout: Any,
) -> jax.Array:
    """Run `kernel(*refs, on_gpu=...)` over a grid: compiled through Triton on a GPU, interpreted on a CPU.

    Which of the two is decided where the program is compiled, not where it is traced.

    Args:
        kernel: takes a reference for each input, then one for the output.
        arguments: the input arrays.
        shape: of the output, whose dtype is the first argument's.
        warps: of 32 threads, for each program.
        stages: depth of the software pipeline of loops.
        layout: `grid`, `in_specs` and `out_specs` of `pallas_call`.

    Raises:
        ValueError: an array has 2^31 elements or more; Pallas computes offsets in 32 bits.
    """
    output: Any = jax.ShapeDtypeStruct(shape, arguments[0].dtype)  # type: ignore[no-untyped-call]
    for array in (*arguments, output):
        if array.size >= 2**31:
            raise ValueError(f"{array.dtype}{list(array.shape)}: Pallas kernels index fewer than 2^31 elements")
    call: Any = functools.partial(pl.pallas_call, out_shape=output, **layout)
    parameters: Any = plgpu.CompilerParams(num_warps=warps, num_stages=stages)
    compiled = call(functools.partial(kernel, on_gpu=True), compiler_params=parameters)
    interpreted = call(functools.partial(kernel, on_gpu=False), interpret=True)
    result: jax.Array = lax.platform_dependent(*arguments, cpu=interpreted, default=compiled)
    return result


def dot(a: jax.Array, b: jax.Array, contract: tuple[int, int], on_gpu: bool) -> jax.Array:
    """Product of two tiles with a float32 accumulator, contracting axis `contract[0]` of a with `contract[1]` of b.

    float32 tiles go to the tensor cores in three TF32 passes, high and low parts apart: 22 bits of mantissa survive,
    so the result is that of float32 arithmetic up to the order of summation, several times faster than scalar units.
    """
    precision: lax.Precision | lax.DotAlgorithmPreset = lax.Precision.DEFAULT
    if a.dtype == jnp.float32:
        precision = lax.DotAlgorithmPreset.TF32_TF32_F32_X3 if on_gpu else lax.Precision.HIGHEST
    dimensions = (((contract[0],), (contract[1],)), ((), ()))
    return lax.dot_general(a, b, dimensions, precision=precision, preferred_element_type=jnp.float32)
