"""Kernel specs of the category `optimizer`."""
