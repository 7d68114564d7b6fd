"""Triton kernels of the category `index`."""
