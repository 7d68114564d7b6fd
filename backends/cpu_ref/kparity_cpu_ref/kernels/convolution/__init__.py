"""Numba kernels of the category `convolution`."""
