"""Kernel specs of the category `matmul`."""
