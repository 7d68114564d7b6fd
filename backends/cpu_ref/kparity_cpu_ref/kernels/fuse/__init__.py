"""Numba kernels of the category `fuse`."""
