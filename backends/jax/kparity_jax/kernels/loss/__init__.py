"""JAX kernels of the category `loss`."""
