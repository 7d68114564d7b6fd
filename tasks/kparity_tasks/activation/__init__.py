"""Kernel specs of the category `activation`."""
