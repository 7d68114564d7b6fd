"""Triton for kparity: kernels on torch tensors, on a GPU where there is one and in Triton's interpreter elsewhere."""

from __future__ import annotations

from kparity_triton.backend import TritonBackend

__all__ = ["TritonBackend"]
