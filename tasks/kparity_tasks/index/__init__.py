"""Kernel specs of the category `index`."""
