"""Numba kernels of the category `pooling`."""
