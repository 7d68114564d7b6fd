"""Kernel specs of the category `reduce`."""
