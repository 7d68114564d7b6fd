"""Triton kernels, one file for each task: `<category>/<task>.py` defines a function called `<task>`."""
