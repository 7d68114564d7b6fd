"""JAX kernels of the category `attention`."""
