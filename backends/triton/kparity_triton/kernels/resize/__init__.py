"""Triton kernels of the category `resize`."""
