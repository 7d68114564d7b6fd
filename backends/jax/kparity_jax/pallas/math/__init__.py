"""Pallas kernels of the category `math`."""
