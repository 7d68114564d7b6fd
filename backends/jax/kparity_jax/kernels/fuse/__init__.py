"""JAX kernels of the category `fuse`."""
