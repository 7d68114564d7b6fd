"""JAX kernels of the category `matmul`."""
