"""JAX kernels of the category `index`."""
