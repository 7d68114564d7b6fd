"""JAX kernels of the category `reduce`."""
