"""Numba kernels of the category `attention`."""
