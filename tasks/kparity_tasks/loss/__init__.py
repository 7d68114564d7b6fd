"""Kernel specs of the category `loss`."""
