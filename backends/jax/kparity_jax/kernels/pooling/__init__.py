"""JAX kernels of the category `pooling`."""
