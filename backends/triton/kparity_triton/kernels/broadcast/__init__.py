"""Triton kernels of the category `broadcast`."""
