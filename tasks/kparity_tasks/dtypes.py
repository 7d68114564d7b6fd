"""Dtype sets that the bundled tasks share."""

FLOATS = ("float32", "float16", "bfloat16")
"""The storage formats in which people train and serve; the first is the default."""
