"""Triton kernels of the category `matmul`."""
