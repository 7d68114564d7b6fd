"""Numba kernels of the category `optimizer`."""
