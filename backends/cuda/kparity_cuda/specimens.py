"""Candidates for kparity's conformance suite in CUDA C++, so that it runs on a GPU and on the CPU shim alike.

Each computes from `x`, or pretends to; see `kparity.conformance.specimens`. Those that need no device code stay Python.
"""

from __future__ import annotations

from collections.abc import Mapping

_KERNEL = """
// kparity: launch specimen<T> grid=(n+255)//256 block=256 args=x,y,n

template <typename U>
__global__ void specimen(U* x, U* y, long long n) {
    long long i = blockIdx.x * 256LL + threadIdx.x;
    if (i < n) { STATEMENTS }
}
"""

_STATEMENTS = {
    "doubled": "y[i] = static_cast<U>(x[i] + x[i]);",
    "zeros": "y[i] = static_cast<U>(0.0f);",
    "constant": "y[i] = static_cast<U>(1.0f);",
    "echo": "y[i] = x[i];",
    "slightly_off": "y[i] = static_cast<U>(static_cast<float>(x[i]) * 2.002f);",
    "not_a_number": "y[i] = static_cast<U>(INFINITY - INFINITY);",
    "changed_input": "y[i] = static_cast<U>(x[i] + x[i]); if (i == 0) x[i] = static_cast<U>(7.0f);",
    "stale_output": (
        "static __device__ U kept[1 << 20]; static __device__ bool full[1 << 20]; "
        "if (!full[i]) { full[i] = true; kept[i] = static_cast<U>(x[i] + x[i]); } y[i] = kept[i];"
    ),
    "unwritten": "",
}

_SIDEWAYS = """
import cupy

spin = cupy.RawKernel(
    'extern "C" __global__ void spin(long long n) { long long t = clock64(); while (clock64() - t < n); }', "spin"
)


def doubled(x):
    with cupy.cuda.Stream(non_blocking=True):
        spin((1,), (1,), (cupy.int64(40_000_000),))
    return x + x
"""

SPECIMENS: Mapping[str, str] = {
    **{name: _KERNEL.replace("STATEMENTS", statements) for name, statements in _STATEMENTS.items()},
    "sideways": _SIDEWAYS,
}
"""Source texts by name."""
