"""JAX kernels of the category `normalization`."""
