"""JAX kernels of the category `resize`."""
