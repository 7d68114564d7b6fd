"""A candidate for kparity's conformance suite that works on a second CUDA stream; a GPU is needed."""

from __future__ import annotations

from collections.abc import Mapping

_SIDEWAYS = """
import torch

def doubled(x):
    y = x + x
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda._sleep(40_000_000)
    return y
"""

SPECIMENS: Mapping[str, str] = {"sideways": _SIDEWAYS}
"""About twenty milliseconds on a stream of its own, at two gigahertz."""
