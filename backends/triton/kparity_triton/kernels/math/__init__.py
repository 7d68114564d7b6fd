"""Triton kernels of the category `math`."""
