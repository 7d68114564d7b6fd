"""MKL's vector functions, settled before threads race for them.

oneMKL 2024.2, which torch's wheels for x86 processors hold, finds out at the first call of each function which variant
this processor and the wanted accuracy call for. Where several threads make that first call together, one of them may
compute its share with the variant of the lowest accuracy: 13 bits of a float32, once, and never again in that process.
Source: https://github.com/pytorch/pytorch/issues/188792.
"""

from __future__ import annotations

import types

FUNCTIONS = (
    "acos",
    "asin",
    "atan",
    "ceil",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "expm1",
    "floor",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "reciprocal",
    "round",
    "rsqrt",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
)


def settle(torch: types.ModuleType) -> None:
    """Call each function once, on one element, which no threads share."""
    for dtype in (torch.float32, torch.float64):
        one = torch.full((1,), 0.5, dtype=dtype)
        for name in FUNCTIONS:
            getattr(torch, name)(one)
