"""Kernel specs of the category `fuse`."""
