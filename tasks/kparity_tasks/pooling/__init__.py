"""Kernel specs of the category `pooling`."""
