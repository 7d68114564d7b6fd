"""Triton kernels of the category `normalization`."""
