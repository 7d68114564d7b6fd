"""CUDA C++ kernels: `<category>/<task>.cu` holds device code, `<task>.py` beside it the host side."""
