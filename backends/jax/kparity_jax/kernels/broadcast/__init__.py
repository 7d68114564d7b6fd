"""JAX kernels of the category `broadcast`."""
