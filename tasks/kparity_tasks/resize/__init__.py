"""Kernel specs of the category `resize`."""
