"""Numba kernels of the category `normalization`."""
