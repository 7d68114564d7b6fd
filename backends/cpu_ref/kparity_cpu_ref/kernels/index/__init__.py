"""Numba kernels of the category `index`."""
