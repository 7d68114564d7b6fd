"""Numba kernels of the category `activation`."""
