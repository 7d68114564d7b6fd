"""Overwriting single elements on the GPU, with a kernel that needs no compiler.

CuPy compiles one of its own in every process whose cache is empty, as a candidate's is. This one is PTX, which the
driver translates for the GPU at hand.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

_THREADS = 256
_HEADER = """
.version 6.3
.target sm_75
.address_size 64
"""
_KERNEL = """
// target[places[i]] = values[i] for i below count; elements of {size} bytes
.visible .entry kparity_scatter_{size}(
    .param .u64 target, .param .u64 places, .param .u64 values, .param .u64 count)
{{
    .reg .pred %outside;
    .reg .b32 %block, %threads, %thread;
    .reg .b64 %i, %first, %count, %base, %at, %place, %value;

    mov.u32 %block, %ctaid.x;
    mov.u32 %threads, %ntid.x;
    mov.u32 %thread, %tid.x;
    mul.wide.u32 %first, %block, %threads;
    cvt.u64.u32 %i, %thread;
    add.u64 %i, %i, %first;
    ld.param.u64 %count, [count];
    setp.ge.u64 %outside, %i, %count;
    @%outside ret;
    ld.param.u64 %base, [places];
    cvta.to.global.u64 %base, %base;
    mad.lo.u64 %at, %i, 8, %base;
    ld.global.u64 %place, [%at];
    ld.param.u64 %base, [values];
    cvta.to.global.u64 %base, %base;
    mad.lo.u64 %at, %i, {size}, %base;
    ld.global.u{bits} %value, [%at];
    ld.param.u64 %base, [target];
    cvta.to.global.u64 %base, %base;
    mad.lo.u64 %at, %place, {size}, %base;
    st.global.u{bits} [%at], %value;
    ret;
}}
"""
_SIZES = (1, 2, 4, 8)
PTX = _HEADER + "".join(_KERNEL.format(size=size, bits=8 * size) for size in _SIZES)
"""The kernels, for elements of one, two, four and eight bytes."""


class Scatter:
    """The kernels, loaded on CuPy's current device."""

    def __init__(self) -> None:
        import cupy

        module = cupy.cuda.function.Module()
        module.load(PTX.encode())
        self._kernels = {size: module.get_function(f"kparity_scatter_{size}") for size in _SIZES}

    @classmethod
    def loaded(cls) -> Self | None:
        """The kernels; None where the driver refuses them, on a GPU older than Turing for one."""
        try:
            return cls()
        except Exception:
            return None

    def __call__(self, target: Any, places: Any, values: Any) -> None:
        """Write `values` to flat `places` of `target`, on CuPy's current stream.

        Args:
            target: contiguous integers, as wide as those of `values`.
            places: int64, none twice.
        """
        grid = -(-values.size // _THREADS)
        if grid:
            self._kernels[values.itemsize]((grid,), (_THREADS,), (target, places, values, np.int64(values.size)))
