"""JAX kernels of the category `optimizer`."""
