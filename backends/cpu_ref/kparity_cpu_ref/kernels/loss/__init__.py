"""Numba kernels of the category `loss`."""
