"""PyTorch realizations of the category `matmul`."""
