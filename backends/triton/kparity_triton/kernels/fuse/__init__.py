"""Triton kernels of the category `fuse`."""
