"""Kernel specs of the category `convolution`."""
