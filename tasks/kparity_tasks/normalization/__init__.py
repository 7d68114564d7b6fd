"""Kernel specs of the category `normalization`."""
