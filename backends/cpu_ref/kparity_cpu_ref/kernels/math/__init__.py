"""Numba kernels of the category `math`."""
