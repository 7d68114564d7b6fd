"""Numba kernels of the category `resize`."""
