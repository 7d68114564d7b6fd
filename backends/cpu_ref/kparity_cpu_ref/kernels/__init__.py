"""Numba kernels, one file for each task, and the helpers that they share."""
