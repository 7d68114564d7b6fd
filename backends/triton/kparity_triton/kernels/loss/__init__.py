"""Triton kernels of the category `loss`."""
