"""Pallas kernels of the category `attention`."""
