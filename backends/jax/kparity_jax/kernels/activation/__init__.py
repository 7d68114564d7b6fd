"""JAX kernels of the category `activation`."""
