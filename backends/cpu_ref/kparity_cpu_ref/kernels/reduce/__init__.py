"""Numba kernels of the category `reduce`."""
