"""JAX kernels of the category `convolution`."""
