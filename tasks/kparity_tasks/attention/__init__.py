"""Kernel specs of the category `attention`."""
