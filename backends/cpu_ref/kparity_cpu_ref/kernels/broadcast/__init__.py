"""Numba kernels of the category `broadcast`."""
