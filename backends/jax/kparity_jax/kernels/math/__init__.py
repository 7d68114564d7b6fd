"""JAX kernels of the category `math`."""
