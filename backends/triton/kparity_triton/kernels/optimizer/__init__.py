"""Triton kernels of the category `optimizer`."""
