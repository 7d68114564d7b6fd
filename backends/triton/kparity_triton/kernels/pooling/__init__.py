"""Triton kernels of the category `pooling`."""
