"""Triton kernels of the category `activation`."""
