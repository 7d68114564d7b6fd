"""Pallas kernels of the category `fuse`."""
