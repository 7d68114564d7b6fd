"""Numba kernels of the category `matmul`."""
