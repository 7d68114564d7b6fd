"""Kernel specs of the category `broadcast`."""
