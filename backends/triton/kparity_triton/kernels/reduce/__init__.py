"""Triton kernels of the category `reduce`."""
