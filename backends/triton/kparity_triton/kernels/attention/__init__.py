"""Triton kernels of the category `attention`."""
