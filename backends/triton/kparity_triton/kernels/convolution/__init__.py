"""Triton kernels of the category `convolution`."""
