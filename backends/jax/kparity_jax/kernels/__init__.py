"""Kernels in JAX, compiled by XLA: one `<category>/<task>.py` for each task."""
