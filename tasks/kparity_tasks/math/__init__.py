"""Kernel specs of the category `math`."""
